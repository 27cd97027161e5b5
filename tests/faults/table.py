"""The table of the suite: a row for each scenario, from what its tests report, and a line of totals."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, cast

import pytest

from tests.faults.harness import Deployment

#: The user property that carries a test's row, across processes too.
ROW: Final = "faults"

_NO_ACCOUNT: Final = "-"  # the workers refused to continue, as they should: there was nothing to judge


@dataclass(slots=True)
class Row:
    """The totals of a scenario's runs; None where no run was judged."""

    runs: int = 0
    plays: int = 0
    kills: int = 0
    freezes: int = 0
    lost: int | None = None
    twice: int | None = None
    out_of_order: int | None = None
    recoveries_s: tuple[float, ...] = ()

    def __add__(self, other: Row) -> Row:
        return Row(*(_add(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))


def _add(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


def row_of(deployment: Deployment) -> dict[str, Any]:
    """Return the row of one run, as plain data; called before its workers are killed at the end."""
    row = Row(1, len(deployment.plays()), deployment.num_kills, deployment.num_freezes)
    if (account := deployment.account) is not None:
        row.lost, row.twice, row.out_of_order = account.lost, account.twice, account.out_of_order
        row.recoveries_s = account.recoveries_s
    return asdict(row)


class Tally:
    """A pytest plugin that collects the rows."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the row of a finished test, fixtures included."""
        rows: Sequence[Mapping[str, Any]] = [
            cast("Mapping[str, Any]", value) for name, value in report.user_properties if name == ROW
        ]
        if report.when == "teardown":
            scenario = _scenario(report.nodeid)
            for row in rows:
                added = Row(**{**row, "recoveries_s": tuple(row["recoveries_s"])})  # a list where it crossed processes
                self.rows[scenario] = self.rows.get(scenario, Row()) + added

    @property
    def total(self) -> Row:
        """The sum of all rows."""
        return sum(self.rows.values(), Row())

    def to_json(self) -> str:
        """Return the totals as one line of JSON."""
        total = self.total
        names = ("kills", "freezes", "plays", "lost", "twice", "out_of_order")
        return json.dumps({name: getattr(total, name) or 0 for name in names})

    def to_markdown(self) -> str:
        """Render the table, with the scenarios sorted by name."""
        counts = ("runs", "plays", "kills", "freezes", "lost", "twice", "out of order", "recovery, s", "worst, s")
        head = ("scenario", *counts)
        rows = [_cells(scenario, row) for scenario, row in sorted(self.rows.items())] + [_cells("**all**", self.total)]
        rule = ["---", *["--:"] * (len(head) - 1)]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *rows))


def _scenario(nodeid: str) -> str:
    """Turn the name of a test into words."""
    name = re.sub(r"\[.*", "", nodeid.partition("::")[2])
    return name.removeprefix("test_").replace("_", " ")


def _cells(scenario: str, row: Row) -> list[str]:
    counts = [row.runs, row.plays, row.kills, row.freezes]
    judged = [_NO_ACCOUNT if count is None else str(count) for count in (row.lost, row.twice, row.out_of_order)]
    times = [f"{pick(row.recoveries_s):.1f}" if row.recoveries_s else "" for pick in (statistics.median, max)]
    return [scenario, *(f"{count:,}" for count in counts), *judged, *times]
