"""How a release scores, without Kafka."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from models.evaluation.protocol import Report
from streamer.errors import ReleaseError
from streamer.recordings.plays import RecordedPlays
from streamer.report.evaluation import FIRST_STAGES, EvaluationError, draw_reports, evaluate_release, to_json
from tests.builders import save_tiny_release


@pytest.fixture(scope="module")
def reports(
    draw_listening: Callable[..., RecordedPlays], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Report]:
    saved = save_tiny_release(tmp_path_factory.mktemp("releases"))
    return evaluate_release(lambda: draw_listening(2000), saved.location, "cpu", ["markov", "vsknn"])


def test_a_release_is_scored_in_both_ways_next_to_the_chosen_baselines(reports: dict[str, Report]) -> None:
    assert list(reports) == ["by protocol", "as served", "markov", "vsknn"]
    assert reports["markov"].groups["short-term/all"].metrics["HR@20"].mean > 0.5
    for name in ("by protocol", "as served"):  # the release knows none of these tracks
        assert reports[name].groups["short-term/all"].metrics["HR@20"].mean == reports[name].coverage == 0


def test_json_holds_every_group_with_its_intervals(reports: dict[str, Report]) -> None:
    fields = json.loads(to_json(reports))

    assert fields.keys() == reports.keys()
    for name in ("short-term/repeat", "short-term/session-start", "long-term/all"):
        for estimate in fields["vsknn"]["groups"][name]["metrics"].values():
            assert estimate["low"] <= estimate["mean"] <= estimate["high"]


def test_tables_fit_a_terminal_and_show_every_group(reports: dict[str, Report]) -> None:
    console = Console(width=100, record=True)

    for table in draw_reports(reports):
        console.print(table)

    text = console.export_text()
    for shown in (*reports["markov"].groups, "as served", "nDCG@10", "precision@20", "coverage@20"):
        assert shown in text
    assert "…" not in text


def test_a_release_that_cannot_be_read_is_not_evaluated(
    draw_listening: Callable[..., RecordedPlays], tmp_path: Path
) -> None:
    with pytest.raises(ReleaseError, match=r"has no manifest\.json; copy it again"):
        evaluate_release(lambda: draw_listening(600), str(tmp_path), "cpu", [])


def test_an_unknown_baseline_is_rejected(draw_listening: Callable[..., RecordedPlays], tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="unknown baseline oracle; the baselines are popularity, personal"):
        evaluate_release(lambda: draw_listening(600), str(tmp_path), "cpu", ["oracle"])


def test_too_few_plays_to_split_are_rejected(draw_listening: Callable[..., RecordedPlays], tmp_path: Path) -> None:
    saved = save_tiny_release(tmp_path)

    with pytest.raises(EvaluationError, match="1 play cannot be split by time"):
        evaluate_release(lambda: draw_listening(600).earliest(1), saved.location, "cpu", [])


def test_an_index_of_few_tracks_finds_what_scoring_all_of_them_finds(
    draw_listening: Callable[..., RecordedPlays], tmp_path: Path
) -> None:
    listening, saved = draw_listening(600), save_tiny_release(tmp_path)

    reports = [
        evaluate_release(lambda: listening, saved.location, "cpu", [], first_stage) for first_stage in FIRST_STAGES
    ]

    assert len({to_json(each) for each in reports}) == 1
