from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.evaluation.baselines import rank
from models.evaluation.baselines.popularity import PersonalPopularity, Popularity
from models.evaluation.tuning import ValidationScorer, choose_baseline
from models.plays.split import Plays, Split, split_plays


def split_of_habits() -> Split:
    """Listeners who play their own eight tracks over and over: overall popularity helps little."""
    rng = np.random.default_rng(3)
    listeners = rng.integers(0, 40, 6000)
    tracks = listeners * 8 + rng.integers(0, 8, 6000)
    return split_plays(Plays(listeners, tracks, [f"t{number}" for number in range(320)], np.arange(6000) * 60_000))


def test_the_variant_that_validates_best_is_chosen() -> None:
    split = split_of_habits()

    baseline, trials = choose_baseline([Popularity(), PersonalPopularity(1.0)], split)

    assert baseline.short_term == baseline.long_term == PersonalPopularity(1.0)
    assert len(trials) == 10  # each with five dampings
    assert max(trials, key=lambda trial: trial.score.short_term).settings["damping"] == baseline.damping


def test_damping_changes_short_term_lists_only() -> None:
    _, trials = choose_baseline([PersonalPopularity(1.0)], split_of_habits())

    scores = {trial.settings["damping"]: trial.score for trial in trials}
    assert scores[1.0].hr_at_20 == scores[0.01].hr_at_20 == 1  # all eight tracks fit into the list
    assert scores[1.0].mrr_at_20 != scores[0.01].mrr_at_20
    assert scores[1.0].lt_recall_at_100 == scores[0.01].lt_recall_at_100 == 1


def test_the_test_part_changes_no_score() -> None:
    split = split_of_habits()
    is_test = split.histories.played_at_ms >= split.t2_ms
    garbled = replace(split, rows=np.where(is_test, 2, split.rows))
    scorer, scorer_of_garbled = ValidationScorer.of(split), ValidationScorer.of(garbled)

    (lists,) = rank(PersonalPopularity(0.9), split, scorer.anchors, [1.0])
    (garbled_lists,) = rank(PersonalPopularity(0.9), garbled, scorer_of_garbled.anchors, [1.0])

    assert scorer.score(lists) == scorer_of_garbled.score(garbled_lists)
