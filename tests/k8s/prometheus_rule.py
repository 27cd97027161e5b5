"""Writes the rules of k8s/alerts as Prometheus Operator reads them: `python -m tests.k8s.prometheus_rule`."""

from pathlib import Path
from typing import Any, Final

import yaml

_K8S: Final = Path(__file__).parents[2] / "k8s"
ALERTS: Final = _K8S / "alerts" / "refrain.yaml"
RULES: Final = _K8S / "overlays" / "production" / "rules.yaml"
_HEAD: Final = "# Written by `make dashboards` from k8s/alerts/refrain.yaml, which has the comments.\n"


def prometheus_rule() -> str:
    """Return the file of the PrometheusRule."""
    rule: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "refrain", "labels": {"app.kubernetes.io/name": "refrain"}},
        "spec": yaml.safe_load(ALERTS.read_text()),
    }
    text: str = yaml.safe_dump(rule, sort_keys=False, width=120)
    return _HEAD + text


if __name__ == "__main__":
    RULES.write_text(prometheus_rule())
