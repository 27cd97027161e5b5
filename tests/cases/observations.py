"""What the tests of cases from the outside observe: the rows of docs/cases.md.

A test that keeps a case carries `@pytest.mark.kind(N)`, the number of a file in `kinds/`, and says in a line what it
saw. `make hostile` runs them all and writes the page.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

KINDS: Final = Path(__file__).parent / "kinds"
PAGE: Final = Path(__file__).parents[2] / "docs" / "cases.md"

Observe = Callable[[str], None]

_KIND, _SAW = "kind", "saw"  # names of pytest's user properties, which also reach the process that started the others

_HEADER: Final = """# Cases from the outside

What people's clusters, files and habits did to Refrain, by the kind of fault: what went wrong, where else that could
occur, and what happens now. The lines on the right were written by the tests on their left as they ran: `make hostile`
runs them and writes this page.
"""


@dataclass(frozen=True, slots=True)
class Observation:
    """One passed test of a kind.

    Attributes:
        kind: number of the kind.
        test: pytest's node id.
        saw: what the test observed, in order.
    """

    kind: int
    test: str
    saw: Sequence[str]


class Observations:
    """Collects what passes and what does not in a run of the tests; a plugin of pytest.

    Args:
        page: the page to write at the end.
    """

    def __init__(self, page: Path) -> None:
        self._page = page
        self._passed: list[Observation] = []
        self._missing: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the observations of a test."""
        kinds = [int(str(value)) for name, value in report.user_properties if name == _KIND]
        if not kinds:
            return
        saw = [str(value) for name, value in report.user_properties if name == _SAW]
        if report.when == "call" and report.passed and saw:
            self._passed += [Observation(kind, report.nodeid, saw) for kind in kinds]
        elif report.when == "call" or not report.passed:
            self._missing.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the page if every test of a case passed and said what it saw."""
        if not self._missing:
            self._page.write_text(render_page(self._passed))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say whether the page was written."""
        for test in self._missing:
            terminalreporter.write_line(f"failed, skipped, or observed nothing: {test}")
        outcome = f"not written, {len(self._missing)} tests are missing" if self._missing else "written"
        terminalreporter.write_line(f"{self._page}: {outcome}")


def render_page(observations: Sequence[Observation]) -> str:
    """Return the page: for each kind its text, then a row for each of its tests."""
    rows: Mapping[int, list[Observation]] = defaultdict(list)
    for each in sorted(observations, key=lambda each: each.test):
        rows[each.kind].append(each)
    return "\n".join([_HEADER, *(_section(path, rows[_number(path)]) for path in sorted(KINDS.glob("*.md")))])


def _section(path: Path, observations: Sequence[Observation]) -> str:
    title, _, text = path.read_text().partition("\n")
    table = ["| case | what happens | test |", "| --- | --- | --- |", *map(_row, observations)]
    return "\n".join([f"## {_number(path)}. {title.removeprefix('# ')}", text.rstrip(), "", *table, ""])


def _row(observation: Observation) -> str:
    path, _, name = observation.test.partition("::")
    function, _, case = name.split("::")[-1].partition("[")
    words = function.removeprefix("test_").replace("_", " ")
    case = f"{words}: `{case.removesuffix(']')}`" if case else words
    saw = "<br>".join(re.sub(r"([|<])", r"\\\1", " ".join(line.split())) for line in observation.saw)
    return f"| {case} | {saw} | [{Path(path).name}](../{path}) |"


def _number(path: Path) -> int:
    return int(path.stem)


def properties(test: pytest.Item) -> list[tuple[str, object]]:
    """Return the properties that make a test one of a kind; none for other tests."""
    return [(_KIND, mark.args[0]) for mark in test.iter_markers("kind")]


def observer(test: pytest.Item) -> Observe:
    """Return the function by which a test says what it saw."""
    return lambda line: test.user_properties.append((_SAW, line))
