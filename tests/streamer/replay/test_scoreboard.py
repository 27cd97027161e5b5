"""The scores of recommenders, and when two scores agree."""

from collections.abc import Callable
from math import nan

import numpy as np
import pytest
from rich.console import Console

from models.evaluation.metrics import Estimate
from models.plays.catalogue import PAD
from models.plays.split import Lists, Split, split_plays
from streamer.recordings.plays import RecordedPlays
from streamer.replay.scoreboard import Scores, draw, score, score_baseline


@pytest.fixture(scope="module")
def split(draw_listening: Callable[..., RecordedPlays]) -> Split:
    return split_plays(draw_listening(2000).plays)


def scores_of(hr: float, mrr: float = 0.2, recall: float = 0.4) -> Scores:
    return Scores(*(Estimate(mean, mean - 0.05, mean + 0.05) for mean in (hr, mrr, recall)))


def test_a_recommender_that_always_names_the_next_play_first_scores_one(split: Split) -> None:
    anchors = split.anchors("test")
    lists = Lists(np.full((len(anchors), 20), PAD), np.full((len(anchors), 100), PAD))
    lists.short_term[:, 0] = split.rows[anchors + 1]

    means = score(split, lists).means()

    assert means == {"hr_at_20": 1.0, "mrr_at_20": 1.0, "lt_recall_at_100": 0.0}


def test_transitions_beat_popularity_where_albums_are_played_in_order(split: Split) -> None:
    baselines = {name: score_baseline(name, split) for name in ("popularity", "markov")}

    assert baselines["markov"].mrr_at_20.mean > baselines["popularity"].mrr_at_20.mean + 0.1


def test_without_questions_there_is_no_score(draw_listening: Callable[..., RecordedPlays]) -> None:
    split = split_plays(draw_listening(12).plays, t2_ms=1_500_000_000_000)

    assert np.isnan(list(score(split, Lists(np.empty((0, 20), int), np.empty((0, 100), int))).means().values())).all()


def test_scores_agree_to_three_decimals() -> None:
    assert scores_of(0.4701).agrees_with(scores_of(0.4705))
    assert not scores_of(0.4701).agrees_with(scores_of(0.4707))
    assert not scores_of(0.47, recall=0.44).agrees_with(scores_of(0.47, recall=0.45))


def test_scores_without_questions_agree() -> None:
    assert scores_of(0.47, recall=nan).agrees_with(scores_of(0.47, recall=nan))


def test_the_board_fits_a_terminal() -> None:
    console = Console(width=80, record=True)

    console.print(draw("test part", {"by the protocol": scores_of(0.4701), "popularity": scores_of(0.0623)}))

    text = console.export_text()
    assert "by the protocol   0.4701 (.420-.520)   0.2000 (.150-.250)   0.4000 (.350-.450)" in text
    assert max(map(len, text.splitlines())) <= 80
