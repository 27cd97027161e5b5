import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.promql import known_samples, names_in
from tests.k8s.runbook_urls import set_address

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "k8s" / "alerts" / "refrain.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
CASES = sorted(Path(__file__).parent.glob("alerts*.yaml"))

Rule = dict[str, Any]


def rules() -> list[Rule]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[Rule]:
    return [rule for rule in rules() if "alert" in rule]


def sections() -> dict[str, str]:
    """The runbooks by the name of their alert."""
    name, *parts = re.split(r"(?m)^### (\w+)$", RUNBOOKS.read_text())
    assert name.startswith("# Runbooks")
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_prometheus_accepts_the_alerts(program: Callable[[str], str]) -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.long
@pytest.mark.parametrize("cases", CASES, ids=[path.stem for path in CASES])
def test_each_alert_fires_when_it_should_and_only_then(program: Callable[[str], str], cases: Path) -> None:
    tested = subprocess.run([program("promtool"), "test", "rules", cases], capture_output=True, text=True, check=False)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_rules_name_only_metrics_that_exist_or_that_a_rule_records() -> None:
    known = known_samples() | {rule["record"] for rule in rules() if "record" in rule}

    unknown = {name for rule in rules() for name in names_in(rule["expr"])} - known

    assert unknown == set()


def test_each_alert_is_seen_firing_in_a_case() -> None:
    cases = [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]

    fired = {each["alertname"] for case in cases for each in case.get("alert_rule_test", ()) if each.get("exp_alerts")}

    assert fired == {alert["alert"] for alert in alerts()}


def test_each_alert_has_a_runbook_that_says_what_to_do_and_how_it_ends() -> None:
    assert sections().keys() == {alert["alert"] for alert in alerts()}
    for name, text in sections().items():
        assert re.findall(r"\*\*(Means|Look at|Do|Ends)", text) == ["Means", "Look at", "Do", "Ends"], name


def test_each_alert_says_how_urgent_it_is_and_where_its_runbook_is() -> None:
    addresses = [alert["annotations"]["runbook_url"].partition("#")[0] for alert in alerts()]
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["runbook_url"] == f"{addresses[0]}#{alert['alert'].lower()}"


@pytest.mark.long
def test_the_address_of_the_runbooks_is_set_in_one_place(program: Callable[[str], str], tmp_path: Path) -> None:
    address = "https://docs.example/operate/runbooks.html"
    for path in (ALERTS, *CASES):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())

    set_address(tmp_path, address)

    assert (tmp_path / ALERTS.relative_to(ROOT)).read_text().count(f"runbook_url: {address}#refrain") == len(alerts())
    for cases in CASES:
        copy = tmp_path / cases.relative_to(ROOT)
        tested = subprocess.run([program("promtool"), "test", "rules", copy], capture_output=True, check=False)
        assert tested.returncode == 0, tested.stdout + tested.stderr


def test_what_alerts_and_runbooks_mention_exists() -> None:
    known = known_samples() | {rule["record"] for rule in rules() if "record" in rule}
    families = known | {name.removesuffix("_bucket") for name in known}
    texts = [RUNBOOKS.read_text(), *(str(alert["annotations"]) for alert in alerts())]

    assert {name for text in texts for name in re.findall(r"\brefrain[_:][\w:]+\b", text)} - families == set()
    links = set(re.findall(r"\]\(#(\w+)\)", RUNBOOKS.read_text()))
    assert links - {name.lower() for name in sections()} == set()
