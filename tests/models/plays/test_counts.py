from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import COUNT_DECAY, NUM_COUNTED
from models.plays.counts import CountMaps, count_plays, count_plays_at
from models.plays.histories import bounds_of
from tests.amount import examples
from tests.counting import counted, counts_by_key

#: Few enough for every track to keep its place, and too many.
num_tracks = st.sampled_from([3, NUM_COUNTED, NUM_COUNTED + 1, 3 * NUM_COUNTED])


def draw_plays(seed: int, num_tracks: int, *, num_listeners: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw bounds and track keys of listeners with none to hundreds of plays, some tracks much likelier than others."""
    rng = np.random.default_rng(seed)
    bounds = bounds_of(rng.choice([0, 1, 70, 300], num_listeners))
    keys = rng.integers(1, 1 << 64, num_tracks, np.uint64)
    return bounds, keys[rng.zipf(1.2, bounds[-1]) % num_tracks]


def from_nothing(bounds: np.ndarray, track_keys: np.ndarray) -> CountMaps:
    num_listeners = len(bounds) - 1
    return count_plays(CountMaps.empty(num_listeners), bounds, track_keys, np.zeros(num_listeners, np.int64))


def places(maps: CountMaps) -> tuple[list[list[int]], list[list[float]]]:
    return maps.track_keys.tolist(), maps.counts.tolist()


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 1000), num_tracks=num_tracks)
def test_counts_equal_those_of_counting_one_play_at_a_time(seed: int, num_tracks: int) -> None:
    bounds, track_keys = draw_plays(seed, num_tracks)

    maps = from_nothing(bounds, track_keys)

    for listener, (begin, end) in enumerate(pairwise(bounds)):
        expected = counted(track_keys[begin:end].tolist())
        assert counts_by_key(maps.track_keys[listener], maps.counts[listener]) == expected


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 1000), num_tracks=num_tracks, sizes=st.lists(st.sampled_from([0, 1, 2, 65]), min_size=1))
def test_any_split_gives_the_same_bits(seed: int, num_tracks: int, sizes: list[int]) -> None:
    bounds, track_keys = draw_plays(seed, num_tracks)
    rng, lengths = np.random.default_rng(seed), np.diff(bounds)

    maps, done = CountMaps.empty(len(lengths)), np.zeros_like(lengths)
    while (done < lengths).any():
        until = np.minimum(done + rng.choice([*sizes, 7], len(lengths)), lengths)
        remembered = np.maximum(done - 64, 0)  # plays counted before come first, like those of a ring
        plays = np.concatenate(
            [np.arange(first, last) for first, last in zip(bounds[:-1] + remembered, bounds[:-1] + until, strict=True)]
        )
        maps = count_plays(maps, bounds_of(until - remembered), track_keys[plays], done - remembered)
        done = until

    assert places(maps) == places(from_nothing(bounds, track_keys))


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
def test_neighbours_and_order_of_listeners_change_nothing(seed: int, order: list[int]) -> None:
    bounds, track_keys = draw_plays(seed, 3 * NUM_COUNTED)
    together = from_nothing(bounds, track_keys)

    plays = np.concatenate([np.arange(bounds[listener], bounds[listener + 1]) for listener in order])
    shuffled = from_nothing(bounds_of(np.diff(bounds)[order]), track_keys[plays])
    first = slice(bounds[order[0]], bounds[order[0] + 1])
    alone = from_nothing(np.array([0, first.stop - first.start]), track_keys[first])

    assert places(shuffled) == places(CountMaps(together.track_keys[order], together.counts[order]))
    assert places(alone) == places(CountMaps(together.track_keys[order[:1]], together.counts[order[:1]]))


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 1000), num_tracks=num_tracks, share=st.sampled_from([0.02, 1.0]))
def test_counts_after_an_anchor_are_those_of_the_plays_up_to_it(seed: int, num_tracks: int, share: float) -> None:
    bounds, track_keys = draw_plays(seed, num_tracks)
    rng = np.random.default_rng(seed)
    count_from = rng.integers(0, np.diff(bounds) + 1)
    before = from_nothing(bounds_of(count_from), track_keys[_leading(bounds, count_from)])
    allowed = np.flatnonzero(np.arange(bounds[-1]) >= np.repeat(bounds[:-1] + count_from - 1, np.diff(bounds)))
    anchors = allowed[rng.random(len(allowed)) < share]

    after, at_anchors = count_plays_at(before, bounds, track_keys, count_from, anchors)

    assert places(after) == places(from_nothing(bounds, track_keys))
    begins = bounds[np.searchsorted(bounds, anchors, side="right") - 1]
    for place in rng.permutation(len(anchors))[:20]:
        expected = counted(track_keys[begins[place] : anchors[place] + 1].tolist())
        assert counts_by_key(at_anchors.track_keys[place], at_anchors.counts[place]) == expected


def _leading(bounds: np.ndarray, nums: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(begin, begin + num) for begin, num in zip(bounds[:-1], nums, strict=True)])


def test_an_anchor_before_the_last_play_counted_is_rejected() -> None:
    maps, played = CountMaps.empty(2), np.array([7, 8, 7, 8, 9], np.uint64)

    with pytest.raises(ValueError, match="anchor 2 lies before the last play already counted"):
        count_plays_at(maps, np.array([0, 2, 5]), played, np.array([0, 2]), np.array([0, 2, 4]))


def test_a_count_decays_at_every_play_of_its_listener() -> None:
    maps = from_nothing(np.array([0, 3, 4]), np.array([7, 8, 8, 7], np.uint64))

    assert counts_by_key(maps.track_keys[0], maps.counts[0]) == pytest.approx({7: COUNT_DECAY**2, 8: COUNT_DECAY + 1})
    assert counts_by_key(maps.track_keys[1], maps.counts[1]) == {7: 1}


def test_a_newcomer_takes_the_place_of_the_smallest_count_and_starts_from_zero() -> None:
    keys, counts = np.arange(1, NUM_COUNTED + 1, dtype=np.uint64), np.full(NUM_COUNTED, 5, np.float32)
    counts[9] = 3

    maps = count_plays(
        CountMaps(keys[None], counts[None]), np.array([0, 1]), np.array([1 << 63], np.uint64), np.zeros(1, np.int64)
    )

    assert maps.track_keys[0, 9] == 1 << 63
    assert maps.counts[0, 9] == 1
    assert set(maps.track_keys[0].tolist()) == {1 << 63, *keys.tolist()} - {10}


@pytest.mark.parametrize("seed", range(3))
def test_among_equal_counts_the_smallest_key_goes(seed: int) -> None:
    keys = np.random.default_rng(seed).permutation(np.arange(1 << 63, (1 << 63) + NUM_COUNTED, dtype=np.uint64))
    counts = np.full(NUM_COUNTED, 0.5, np.float32)
    counts[keys == 1 << 63] = 0.6

    maps = count_plays(
        CountMaps(keys[None], counts[None]), np.array([0, 1]), np.array([99], np.uint64), np.zeros(1, np.int64)
    )

    assert set(keys.tolist()) - set(maps.track_keys[0].tolist()) == {(1 << 63) + 1}


def test_read_only_counts_are_copied_not_changed() -> None:
    before = from_nothing(np.array([0, 2]), np.array([7, 8], np.uint64))
    original = places(before)
    before.track_keys.flags.writeable = before.counts.flags.writeable = False

    after = count_plays(before, np.array([0, 3]), np.array([7, 8, 9], np.uint64), np.array([2]))

    assert places(before) == original
    assert set(counts_by_key(after.track_keys[0], after.counts[0])) == {7, 8, 9}


def test_no_listeners_and_no_new_plays_are_allowed() -> None:
    no_listeners = from_nothing(np.array([0]), np.zeros(0, np.uint64))
    before = from_nothing(np.array([0, 1, 1]), np.array([7], np.uint64))

    idle = count_plays(before, np.array([0, 1, 1]), np.array([7], np.uint64), np.array([1, 0]))

    assert no_listeners.counts.shape == (0, NUM_COUNTED)
    assert places(idle) == places(before)
