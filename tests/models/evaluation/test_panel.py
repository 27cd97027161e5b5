"""The panel: long-known listeners, none of whom outweighs the others."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.panel import MAX_WEIGHT, MIN_LISTENERS, Outcomes, choose_panel, weigh, weigh_differences
from models.plays.split import Lists, Plays, Split, split_plays

T2_MS, NEW_MS = 10_000, 9_000
NUM_OLD, NUM_FRESH = 12, 30


def split_of(num_old: int = NUM_OLD) -> Split:
    """Old listeners play from 0 ms on, fresh ones from NEW_MS on; all play tracks 0 and 1 in turn, four after T2."""
    listeners = np.repeat(np.arange(num_old + NUM_FRESH), 8)
    begins_ms = np.where(listeners < num_old, 0, NEW_MS)
    nth = np.tile(np.arange(8), num_old + NUM_FRESH)
    times_ms = np.where(nth < 4, begins_ms + nth, T2_MS + nth)
    return split_plays(Plays(listeners, nth % 2, ["a", "b"], times_ms), t1_ms=T2_MS, t2_ms=T2_MS)


def test_listeners_with_older_plays_judge() -> None:
    panel = choose_panel(split_of(), NEW_MS)

    assert (panel.is_long_known, panel.num_listeners, panel.num_plays) == (True, NUM_OLD, 4 * NUM_OLD)
    assert panel.is_member.tolist() == [True] * NUM_OLD + [False] * NUM_FRESH
    assert panel.is_large_enough


def test_all_listeners_judge_if_hardly_any_has_older_plays() -> None:
    panel = choose_panel(split_of(MIN_LISTENERS - 1), NEW_MS)

    assert (panel.is_long_known, panel.num_listeners) == (False, MIN_LISTENERS - 1 + NUM_FRESH)


def test_only_the_plays_of_the_jury_are_measured() -> None:
    split = split_of()
    anchors = split.anchors("test")
    right = split.rows[anchors + 1]
    is_old = split.histories.listeners()[anchors] < NUM_OLD
    short_term = np.where(is_old, 0, right)[:, None] * np.ones(20, np.int64)  # the fresh ones are always served well
    lists = Lists(short_term, np.zeros((len(anchors), 100), np.int64))

    measured = choose_panel(split, NEW_MS).measure(lists)

    assert set(measured) == {"HR@20", "MRR@20"}  # two tracks are no truth for the long term
    assert (len(measured["HR@20"].values), measured["HR@20"].values.max()) == (4 * NUM_OLD, 0)


def test_no_listener_counts_for_more_than_the_maximum_weight() -> None:
    listeners = np.concatenate([np.zeros(5_000, np.int64), np.repeat(np.arange(1, 20), MAX_WEIGHT)])

    estimate = weigh(Outcomes((listeners == 0).astype(np.float64), listeners))

    assert estimate.mean == pytest.approx(1 / 20)
    assert estimate.high < 0.2


def test_the_interval_covers_other_samples_of_listeners() -> None:
    rng = np.random.default_rng(1)
    rates = rng.random(400)
    listeners = np.repeat(np.arange(400), 10)
    few = listeners < 40

    values = (rng.random(4_000) < rates[listeners]).astype(np.float64)
    wide, narrow = weigh(Outcomes(values[few], listeners[few])), weigh(Outcomes(values, listeners))

    assert narrow.low < 0.5 < narrow.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_differences_are_paired() -> None:
    listeners = np.repeat(np.arange(20), 5)
    luck = np.random.default_rng(1).random(100)
    mine, theirs = {"HR@20": Outcomes(luck + 0.01, listeners)}, {"HR@20": Outcomes(luck, listeners)}

    difference = weigh_differences(mine, theirs)["HR@20"]

    assert difference.low == pytest.approx(0.01)
    assert difference.high == pytest.approx(0.01)
