"""The live hit rate: a track in the list before the play is a hit, and only a significant fall counts."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.live import has_fallen, live_hit_rate, live_hits
from models.evaluation.metrics import Estimate
from models.evaluation.panel import MIN_LISTENERS
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue, track_keys
from models.serving.recommender import Recommender

NUM_LISTENERS = 2 * MIN_LISTENERS


def rate(
    recommender: Recommender, names: list[str], *, num_listeners: int = NUM_LISTENERS, num_judged: int = 40
) -> Estimate | None:
    """Let all listeners play the named tracks, one after the other, in step."""
    num_plays = num_listeners * len(names)
    listeners = np.tile(np.arange(num_listeners), len(names))
    hits = live_hits(
        recommender,
        listeners,
        np.repeat(track_keys(names), num_listeners),
        np.arange(num_plays) * 1000,
        np.zeros(num_plays, np.uint8),
        is_judged=np.arange(num_plays) >= num_plays - num_judged,
    )
    return live_hit_rate(hits, listeners)


@pytest.fixture
def recommender(network: TasteNetwork, catalogue: Catalogue) -> Recommender:
    return Recommender(network, catalogue)


def test_a_track_in_the_list_answered_before_is_a_hit(recommender: Recommender) -> None:
    rates = {
        name: rate(recommender, ["t0", "t1", name], num_judged=NUM_LISTENERS)
        for name in recommender.catalogue.track_ids
    }

    assert sum(estimate.mean for estimate in rates.values() if estimate) == 20  # of the 30 tracks, the 20 in the list


def test_a_track_the_release_does_not_know_is_a_miss(recommender: Recommender) -> None:
    unknown = rate(recommender, ["t0", "t1", "never heard of"], num_judged=NUM_LISTENERS)

    assert unknown == Estimate(0, 0, 0)


def test_only_the_newest_plays_are_judged(recommender: Recommender) -> None:
    last = rate(recommender, ["t0", "t1", "unknown", "t2"], num_judged=NUM_LISTENERS)
    both = rate(recommender, ["t0", "t1", "unknown", "t2"], num_judged=2 * NUM_LISTENERS)

    assert last is not None
    assert both is not None
    assert both.mean == last.mean / 2


def test_each_play_has_its_own_result_in_the_order_of_arrival(recommender: Recommender) -> None:
    names = [["t0", "t1", "unknown"], ["unknown", "t2", "t3"]]
    listeners, keys = np.array([0, 1] * 3), track_keys([name for pair in zip(*names, strict=True) for name in pair])

    hits = live_hits(
        recommender, listeners, keys, np.arange(6) * 1000, np.zeros(6, np.uint8), is_judged=np.arange(6) != 3
    )

    assert np.isnan(hits).tolist() == [True, True, False, True, False, False]  # first plays, and the one not judged
    assert hits[4] == 0


def test_too_few_listeners_have_no_rate(recommender: Recommender) -> None:
    assert rate(recommender, ["t0", "t1"], num_listeners=MIN_LISTENERS - 1) is None
    assert rate(recommender, ["t0"]) is None  # no list precedes a first play
    assert rate(recommender, []) is None


@pytest.mark.parametrize(
    ("then", "now", "fell"),
    [
        (Estimate(0.30, 0.28, 0.32), Estimate(0.26, 0.24, 0.28), True),  # by 0.04, and 0.028 may be chance
        (Estimate(0.30, 0.28, 0.32), Estimate(0.28, 0.26, 0.30), False),
        (Estimate(0.30, 0.28, 0.32), Estimate(0.34, 0.32, 0.36), False),
    ],
)
def test_a_fall_is_distinguished_from_chance(then: Estimate, now: Estimate, *, fell: bool) -> None:
    assert has_fallen(then, now) == fell
