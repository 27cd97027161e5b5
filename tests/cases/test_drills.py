"""The page of drills: what is on it, and when it is written."""

import re
from pathlib import Path

import pytest

from tests.cases.drills import PAGE, Drills, Row, alerts, render_page

KILLED = Row("RefrainKilled", "a | b", ("`refrain worker`", "[see](#there)"), 120)
TEST = "tests/test_x.py::test_x[1]"


def report(outcome: str) -> pytest.TestReport:
    """Report a test with a row."""
    return pytest.TestReport(
        TEST, ("", None, ""), {"drill": 1}, outcome, None, "call", user_properties=[("drill", list(KILLED))]  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_row_has_the_provocation_and_what_the_runbook_had_done() -> None:
    assert render_page([(KILLED, TEST)]).splitlines()[-1] == (
        r"| [RefrainKilled](runbooks.md#refrainkilled) | a \| b | 120 | `refrain worker`<br>[see](runbooks.md#there) | "
        "[test_x.py](../tests/test_x.py) |"
    )


def test_a_run_replaces_the_rows_of_what_it_provoked_and_keeps_those_of_other_alerts(tmp_path: Path) -> None:
    others = [(KILLED._replace(alert=name), TEST) for name in ("RefrainAbolished", "RefrainLagGrows")]
    (page := tmp_path / "drills.md").write_text(render_page([(KILLED._replace(times_faster=1), TEST), *others]))
    drills = Drills(page, ["RefrainKilled", "RefrainLagGrows"])

    drills.pytest_runtest_logreport(report("passed"))
    drills.pytest_sessionfinish()

    assert page.read_text() == render_page([(KILLED, TEST), others[1]])


def test_a_drill_that_fails_has_no_row(tmp_path: Path) -> None:
    drills = Drills(page := tmp_path / "drills.md", ["RefrainKilled"])

    drills.pytest_runtest_logreport(report("failed"))
    drills.pytest_sessionfinish()

    assert not page.exists()


def test_each_alert_has_been_provoked_and_ended_by_its_runbook() -> None:
    assert sorted(re.findall(r"(?m)^\| \[(\w+)\]", PAGE.read_text())) == sorted(alerts())
