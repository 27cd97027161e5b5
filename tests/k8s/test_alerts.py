import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml

from streamer.metrics import WorkerMetrics

ALERTS = Path(__file__).parents[2] / "k8s" / "alerts" / "refrain.yaml"

# Suffixes of a metric's names in the exposition format, by its kind.
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def test_prometheus_accepts_the_alerts(program: Callable[[str], str]) -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_only_then(program: Callable[[str], str]) -> None:
    cases = Path(__file__).with_name("alerts.yaml")

    tested = subprocess.run([program("promtool"), "test", "rules", cases], capture_output=True, text=True, check=False)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_alerts_watch_existing_metrics() -> None:
    known = {metric.name + suffix for metric in WorkerMetrics().registry.collect() for suffix in SUFFIXES[metric.type]}
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]

    watched = {name for rule in rules for name in re.findall(r"\brefrain_\w+", rule["expr"])}

    assert watched - known == set()
    assert watched
