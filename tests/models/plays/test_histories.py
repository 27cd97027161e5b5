from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.config import RING_SIZE
from models.plays.catalogue import track_keys
from models.plays.histories import Histories, gather_histories, mark_repeats


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90)), min_size=1, max_size=400))
def test_a_repeat_is_a_track_among_the_previous_ring_size_plays(plays: list[tuple[int, int]]) -> None:
    listeners, tracks = np.array(plays).T

    histories = gather_histories(listeners, tracks.astype(np.uint64), np.arange(len(plays)))

    for begin, end in zip(histories.bounds[:-1], histories.bounds[1:], strict=True):
        keys = histories.track_keys[begin:end].tolist()
        expected = [key in keys[max(0, place - RING_SIZE) : place] for place, key in enumerate(keys)]
        assert histories.repeats[begin:end].tolist() == expected


def test_gathering_keeps_each_listeners_order_of_arrival() -> None:
    histories = gather_histories(np.array([1, 0, 1]), track_keys(["a", "b", "c"]), np.array([30, 20, 10]))

    assert histories.bounds.tolist() == [0, 1, 3]
    assert histories.played_at_ms.tolist() == [20, 30, 10]


def test_new_plays_behind_a_ring_are_marked_as_in_the_whole_history(draw_histories: Callable[..., Histories]) -> None:
    histories = draw_histories(2, num_listeners=1, num_plays=300)
    tail = histories.track_keys[-RING_SIZE - 10 :]

    repeats = mark_repeats(np.array([0, len(tail)]), tail)

    assert repeats[-10:].tolist() == histories.repeats[-10:].tolist()


def test_listeners_are_selected_with_their_plays(draw_histories: Callable[..., Histories]) -> None:
    histories = draw_histories(1)

    part = histories.of(np.array([2, 0]))

    second = slice(histories.bounds[2], histories.bounds[3])
    np.testing.assert_array_equal(part.track_keys[: part.bounds[1]], histories.track_keys[second])
    np.testing.assert_array_equal(part.repeats[part.bounds[1] :], histories.repeats[: histories.bounds[1]])


def test_a_ring_is_remembered_as_it_was_after_each_anchor(draw_histories: Callable[..., Histories]) -> None:
    histories = draw_histories(3, num_listeners=2, num_plays=300)
    anchors = np.array([0, 70, histories.bounds[1], histories.bounds[1] + 99])

    rings = histories.remembered(anchors)

    assert np.diff(rings.bounds).tolist() == [1, RING_SIZE, 1, RING_SIZE]
    np.testing.assert_array_equal(rings.track_keys[rings.bounds[1:] - 1], histories.track_keys[anchors])
    np.testing.assert_array_equal(rings.repeats[rings.bounds[3] :], histories.repeats[anchors[3] - 63 : anchors[3] + 1])
