"""The page of cases: what is on it, and when it is written."""

from pathlib import Path

import pytest

from tests.cases.observations import KINDS, PAGE, Observation, Observations, render_page

READ = Observation(1, "tests/cases/test_files.py::test_a_file_is_read[00-control.csv]", ["480 plays", "a | b\n"])


def report(outcome: str, *saw: str) -> pytest.TestReport:
    """Report a test of the first kind."""
    properties: list[tuple[str, object]] = [("kind", 1), *(("saw", line) for line in saw)]
    return pytest.TestReport(
        READ.test, ("", None, ""), {}, outcome, None, "call", user_properties=properties  # type: ignore[arg-type]
    )  # fmt: skip


def test_each_kind_says_what_went_wrong_and_where_else_it_was_looked_for() -> None:
    for path in KINDS.glob("*.md"):
        title, *_ = text = path.read_text().splitlines()

        assert title.startswith("# ")
        assert any(line.startswith("Looked for elsewhere:") for line in text), path


def test_a_row_has_the_case_what_was_seen_and_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "01.md").write_text("# Files\n\nSome were not read.\n")
    monkeypatch.setattr("tests.cases.observations.KINDS", tmp_path)

    page = render_page([READ])

    assert "## 1. Files\n\nSome were not read.\n" in page
    assert (
        r"| a file is read: `00-control.csv` | 480 plays<br>a \| b | [test_files.py](../tests/cases/test_files.py) |"
        in page
    )


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_the_page_is_not_written_if_a_test_of_a_kind_did_not_pass(tmp_path: Path, outcome: str) -> None:
    observations = Observations(tmp_path / "cases.md")
    observations.pytest_runtest_logreport(report("passed", "480 plays"))
    observations.pytest_runtest_logreport(report(outcome, "480 plays"))

    observations.pytest_sessionfinish()

    assert not (tmp_path / "cases.md").exists()


def test_the_page_is_not_written_if_a_test_of_a_kind_says_nothing(tmp_path: Path) -> None:
    observations = Observations(tmp_path / "cases.md")
    observations.pytest_runtest_logreport(report("passed"))

    observations.pytest_sessionfinish()

    assert not (tmp_path / "cases.md").exists()


def test_the_page_is_written_if_every_test_of_a_kind_passed(tmp_path: Path) -> None:
    observations = Observations(tmp_path / "cases.md")
    observations.pytest_runtest_logreport(report("passed", "480 plays"))

    observations.pytest_sessionfinish()

    assert (tmp_path / "cases.md").read_text()


def test_the_committed_page_has_each_kind_and_each_file_of_its_tests() -> None:
    page, tests = PAGE.read_text(), PAGE.parents[1] / "tests"

    for path in KINDS.glob("*.md"):
        assert f"## {int(path.stem)}. {path.read_text().splitlines()[0].removeprefix('# ')}\n" in page, "make hostile"
    for path in tests.rglob("test_*.py"):
        if "mark.kind(" in path.read_text() and path != Path(__file__):
            assert f"](../{path.relative_to(PAGE.parents[1])})" in page, "make hostile"
