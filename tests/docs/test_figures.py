"""Figures that a page repeats are those of the document that measured them."""

import json
import re
from pathlib import Path
from typing import Final

from tests.docs.site import ROOT

DOCS: Final = ROOT / "docs"
METRICS: Final = ("hr_at_20", "mrr_at_20", "lt_recall_at_100")
SYSTEMS: Final = {"Refrain, as served": "refrain_served", "Refrain, the network alone": "refrain_network"}


def rows_of(page: Path, head: str) -> dict[str, list[str]]:
    """Read the table of a page that begins with a cell: the cells of each row, by the first one."""
    _, _, table = page.read_text().partition(f"| {head} |")
    lines = re.split(r"\n\n", table)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name.strip("`"): rest for name, *rest in cells}


def test_the_paper_is_compared_with_the_figures_of_the_report() -> None:
    systems = json.loads((DOCS / "report" / "30music-s10.json").read_text())

    for title, shown in rows_of(DOCS / "paper.md", "30Music, test part").items():
        figures = systems[SYSTEMS.get(title, title)]
        assert shown == [f"{figures[metric]:.3f}".lstrip("0") for metric in METRICS], title


def test_batches_are_tuned_by_the_figures_of_the_benchmark() -> None:
    measured = (DOCS / "benchmarks.md").read_text()
    batches = ("1", "16", "128", "500")

    for tracks, shown in rows_of(DOCS / "tuning.md", "us an answer, both stages").items():
        for batch, us in zip(batches, shown, strict=True):
            assert f"| {tracks}, batch {batch} | {us} |" in measured


def test_tuning_repeats_recovery_sizing_and_catalogues() -> None:
    tuning = (DOCS / "tuning.md").read_text()
    recovery = rows_of(DOCS / "recovery.md", " | listeners")
    hottest = re.findall(r"^\| [\d,]+ \| [\d.]+ \| ([\d.]+) \|$", (DOCS / "sizing.md").read_text(), re.MULTILINE)

    without, standby = (
        next(row for name, row in recovery.items() if name.endswith(end))
        for end in ("without a standby", "by a standby")
    )
    assert f"takes over {standby[3]} s after the session has expired" in tuning
    assert f"takes {without[3]} s, and longer" in tuning
    assert f"{', '.join(hottest[:-1])} and {hottest[-1]} times the mean" in tuning.replace("\n", " ")
    assert "| 100,000 | index | 234 | 389" in (DOCS / "catalogues.md").read_text()
    assert "| 30Music | 9,999 | both | .4882 / .4882 |" in (DOCS / "catalogues.md").read_text()
