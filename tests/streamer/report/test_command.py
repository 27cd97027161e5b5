"""The arguments of `report`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from models.plays.split import Split
from streamer.report.command import report
from streamer.report.making import ReportError
from streamer.settings import Settings
from tests.commands import run_here

Run = Callable[[Sequence[str]], None]


@pytest.fixture
def run(split: Split, tmp_path: Path) -> Run:
    """Run the command on a folder of plays called made-up, with systems that only count, which is fast."""
    folder = tmp_path / "made-up"
    folder.mkdir()
    tracks = [split.catalogue.track_ids[row - 2] for row in split.rows]
    times_s = split.histories.played_at_ms / 1000
    columns = {"user": split.histories.listeners(), "track": tracks, "ts": times_s}
    pa.parquet.write_table(pa.table(columns), folder / "events.parquet")
    places = ["--into", str(tmp_path / "report"), "--keep", str(tmp_path / "kept"), "--systems", "markov,popularity"]

    def parse_and_run(arguments: Sequence[str]) -> None:
        run_here(report, Settings(), str(folder), *places, *arguments)

    return parse_and_run


def test_a_report_is_named_after_the_folder_of_its_plays(run: Run, tmp_path: Path) -> None:
    run([])

    assert {path.name for path in (tmp_path / "report").iterdir()} == {"made-up.json", "made-up.html"}
    assert {path.name for path in (tmp_path / "kept/made-up").iterdir()} == {"markov-0", "popularity-0"}


def test_every_second_play_can_be_asked(run: Run, tmp_path: Path) -> None:
    run(["--every", "2"])

    split = json.loads((tmp_path / "report/made-up.json").read_text())["markov"]["splits"]
    assert (split["short_term_every"], split["long_term_every"]) == (2, 6)


@pytest.mark.long
def test_a_check_passes_until_a_figure_is_changed(run: Run, tmp_path: Path) -> None:
    run([])
    run(["--check"])
    path = tmp_path / "report/made-up.json"
    figures = json.loads(path.read_text())
    figures["markov"]["hr_at_20"] += 0.001
    path.write_text(json.dumps(figures))

    with pytest.raises(ReportError, match="1 figures differ"):
        run(["--check"])
