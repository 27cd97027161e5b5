from __future__ import annotations

import numpy as np
import pytest

from models.analysis.breakdown import break_down
from models.plays.catalogue import PAD
from models.plays.split import Lists, Plays, Split, split_plays

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def split() -> Split:
    """One listener with 250 plays a minute apart except for a night, and one whose third play is in the test part."""
    times = np.arange(250) * MINUTE_MS + (np.arange(250) >= 240) * 30_000_000
    late = np.array([0, 1, 600]) * MINUTE_MS + 1
    tracks = np.concatenate([np.arange(250) % 20, [0, 1, 2]])
    ids = [f"t{number:02}" for number in range(20)]
    listeners = np.concatenate([np.zeros(250, np.int64), [1, 1, 1]])
    return split_plays(
        Plays(listeners, tracks, ids, np.concatenate([times, late])),
        t1_ms=200 * MINUTE_MS,
        t2_ms=230 * MINUTE_MS,
    )


def lists_that_hit(split: Split, hits: np.ndarray) -> Lists:
    anchors = split.anchors("test")
    short_term = np.full((len(anchors), 20), PAD)
    short_term[:, 0] = np.where(hits, split.rows[anchors + 1], PAD)
    return Lists(short_term, np.full((len(anchors), 100), PAD))


def test_every_anchor_is_in_one_bin_of_each_breakdown(split: Split) -> None:
    anchors = split.anchors("test")

    broken = break_down(split, "test", [lists_that_hit(split, np.ones(len(anchors), bool))])

    assert broken.keys() == {"history_length", "gap", "popularity_decile"}
    for bins in broken.values():
        assert sum(each.num_anchors for each in bins) == len(anchors) == 21
        assert all(each.hit_rate.mean == 1 for each in bins)


def test_bins_are_named_by_where_they_begin(split: Split) -> None:
    first_listener = split.anchors("test") < 250

    broken = break_down(split, "test", [lists_that_hit(split, first_listener)])

    assert [(each.label, each.num_anchors, each.hit_rate.mean) for each in broken["history_length"]] == [
        ("2-4", 1, 0.0),
        ("200-499", 20, 1.0),
    ]
    assert [(each.label, each.num_anchors) for each in broken["gap"]] == [("under 3 min", 19), ("2 h", 2)]


def test_the_first_decile_holds_the_most_played(split: Split) -> None:
    most_played = np.argsort(-np.bincount(split.rows[split.histories.played_at_ms < split.t1_ms]), kind="stable")[:2]
    targets = split.rows[split.anchors("test") + 1]

    broken = break_down(split, "test", [lists_that_hit(split, np.isin(targets, most_played))])

    deciles = broken["popularity_decile"]
    assert [each.label for each in deciles] == [str(number) for number in range(1, 11)]
    assert [each.hit_rate.mean for each in deciles] == [1.0] + [0.0] * 9


def test_hits_of_seeds_are_averaged(split: Split) -> None:
    anchors = split.anchors("test")
    always, never = (lists_that_hit(split, np.full(len(anchors), hit)) for hit in (True, False))

    broken = break_down(split, "test", [always, never])

    assert {each.hit_rate.mean for each in broken["gap"]} == {0.5}
