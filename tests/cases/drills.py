"""The drills of alerts: the rows of docs/drills.md.

A test that provokes alerts on a running system carries `@pytest.mark.drill`, and notes a row for each alert that it saw
fire and end. `make hostile` runs them all and writes the page.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import pytest
import yaml

PAGE: Final = Path(__file__).parents[2] / "docs" / "drills.md"

_ALERTS: Final = PAGE.parents[1] / "k8s" / "alerts" / "refrain.yaml"

#: A row of the page, and its alert.
_LINE: Final = re.compile(r"(?m)^(\| \[(\w+)\].*\n)")

_DRILL: Final = "drill"  # name of pytest's user property, which also reaches the process that started the others

_HEAD: Final = """# Drills

Each alert of [k8s/alerts/refrain.yaml](../k8s/alerts/refrain.yaml) has fired on a running system: real worker and
trainer processes, a real Kafka, and a Prometheus that reads the rules of that file. Then the steps of its
[runbook](runbooks.md) were taken, commands as the runbook writes them, until it fired no more. `make hostile` does all
of this and writes the page, or the rows of the drills that it runs; a test refuses a page that lacks an alert.

So that hours need not pass, what the rules wait for (`for`) and look back at (`[1h]`) is divided by the number in the
third column. Expressions and thresholds are those of the file: what is 60 seconds in an expression takes a minute here.
A trainer whose disk or topic fails retries 120 times faster, and a release of four days ago was made under a clock that
was four days behind.

| alert | provoked by | times faster | its runbook, as carried out | test |
| --- | --- | --- | --- | --- |
"""


class Row(NamedTuple):
    """An alert that has fired and ended.

    Attributes:
        alert: its name.
        provocation: what went wrong.
        steps: of the runbook.
        times_faster: by what the times of the rules were divided.
    """

    alert: str
    provocation: str
    steps: Sequence[str]
    times_faster: int


class Drills:
    """Collects the rows of a run of the tests; a plugin of pytest.

    Args:
        page: to write at the end; it keeps the rows of alerts that were not provoked this time.
        alerts: all there are.
    """

    def __init__(self, page: Path, alerts: Sequence[str]) -> None:
        self._page = page
        self._alerts = alerts
        self._rows: list[tuple[Row, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the rows of a test."""
        if report.when == "call" and report.passed:
            rows = (msgspec.convert(value, Row) for name, value in report.user_properties if name == _DRILL)
            self._rows += ((row, report.nodeid) for row in rows)

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        if self._rows:
            self._page.write_text(render_page(self._rows, self._lines_before()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which alerts the page lacks."""
        missing = ", ".join(sorted(set(self._alerts) - self._lines_before().keys()))
        terminalreporter.write_line(f"{self._page}: {'lacks ' + missing if missing else 'complete'}")

    def _lines_before(self) -> dict[str, str]:
        text = self._page.read_text() if self._page.exists() else ""
        lines = {alert: line for line, alert in _LINE.findall(text)}
        return {alert: lines[alert] for alert in self._alerts if alert in lines}


def alerts() -> list[str]:
    """Return the names of all alerts."""
    groups = yaml.safe_load(_ALERTS.read_text())["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]


def render_page(rows: Sequence[tuple[Row, str]], before: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the page.

    Args:
        rows: each with the test that noted it, pytest's node id.
        before: lines of alerts without a row, by alert.
    """
    lines = {**before, **{row.alert: _line(row, test) for row, test in rows}}
    return _HEAD + "".join(line for _, line in sorted(lines.items()))


def _line(row: Row, test: str) -> str:
    path = test.partition("::")[0]
    steps, file = "<br>".join(row.steps).replace("](#", "](runbooks.md#"), f"[{Path(path).name}](../{path})"
    cells = (f"[{row.alert}](runbooks.md#{row.alert.lower()})", row.provocation, str(row.times_faster), steps, file)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def noting(test: pytest.Item) -> Callable[[Row], None]:
    """Return the function by which a test notes a row."""
    return lambda row: test.user_properties.append((_DRILL, tuple(row)))
