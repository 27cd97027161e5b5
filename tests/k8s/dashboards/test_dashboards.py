"""The dashboards in k8s/dashboards: written by us, accepted by Prometheus, and on metrics that exist."""

import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from streamer.metrics import TrainerMetrics, WorkerMetrics
from tests.k8s.dashboards.files import FOLDER, files
from tests.k8s.dashboards.panels import Object
from tests.k8s.promql import known_samples, names_in

BOARDS = {path.name: json.loads(content) for path, content in files().items()}


def panels(board: Object) -> list[Object]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[str]:
    for board in BOARDS.values():
        yield from (target["expr"] for panel in panels(board) for target in panel["targets"])
        yield from (annotation["expr"] for annotation in board["annotations"]["list"])


def test_the_committed_dashboards_are_those_we_write() -> None:
    committed = {path: path.read_text() for path in FOLDER.glob("*.json")}

    assert committed == files(), "run `make dashboards`"


def test_prometheus_can_parse_each_query(program: Callable[[str], str], tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries())
    ]
    written = tmp_path / "queries.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    checked = subprocess.run(
        [program("promtool"), "check", "rules", written], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout + checked.stderr


def test_dashboards_show_metrics_that_exist_and_every_one_that_we_declare() -> None:
    shown = {name for query in queries() for name in names_in(query.replace("$__rate_interval", "5m"))}

    assert shown - known_samples() == set()
    declared = {metric for each in (WorkerMetrics(), TrainerMetrics()) for metric in each.register.metrics}
    ours = {metric for metric in declared if metric.name.startswith("refrain_")}
    assert [metric.exposed for metric in ours if not shown & set(metric.samples)] == []


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_a_panel_says_what_it_shows_and_covers_no_other(board: Object) -> None:
    for panel in panels(board):
        assert panel["description"] or "ALERTS" in str(panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for one, other in combinations((panel["gridPos"] for panel in board["panels"]), 2):
        is_apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert is_apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])
