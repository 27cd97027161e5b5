from __future__ import annotations

import numpy as np
import pytest

from models.plays.catalogue import FIRST_TRACK
from models.plays.features import DAY_MS
from models.plays.split import Plays, Split, long_term_truths, split_once, split_plays

IDS = [f"t{number}" for number in range(400)]


def split_of(listeners: list[int], tracks: list[int], times_ms: list[int], **boundaries: int) -> Split:
    return split_plays(Plays(np.array(listeners), np.array(tracks), IDS, np.array(times_ms)), **boundaries)


def test_boundaries_are_the_times_of_the_plays_at_80_and_90_per_cent() -> None:
    split = split_of([0] * 20, list(range(20)), list(range(1900, -100, -100)))

    assert (split.t1_ms, split.t2_ms) == (1600, 1800)


def test_cold_plays_are_dropped_but_stay_in_the_served_stream() -> None:
    split = split_of([7, 7, 7, 7, 9], [3, 8, 3, 5, 8], [1, 20, 30, 40, 50], t1_ms=10, t2_ms=35)

    assert tuple(split.catalogue.track_ids) == ("t3",)
    assert split.warm.tolist() == [0, 2]
    assert split.served.bounds.tolist() == [0, 4, 5]
    assert split.histories.bounds.tolist() == [0, 2]


def test_an_anchor_belongs_to_the_part_of_its_next_play() -> None:
    split = split_of([0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [1, 11, 21, 2, 25], t1_ms=10, t2_ms=20)

    assert split.anchors("validation").tolist() == [0]
    assert split.anchors("test").tolist() == [1, 3]


def test_served_anchors_are_just_before_the_next_warm_play() -> None:
    split = split_of([0, 0, 0, 0], [1, 9, 8, 1], [1, 30, 40, 50], t1_ms=10, t2_ms=20)

    assert split.anchors("test").tolist() == [0]
    assert split.served_anchors("test").tolist() == [2]


def test_a_stream_is_split_as_drawn() -> None:
    split = split_of([0] * 8, [0, 1, 0, 8, 1, 0, 9, 1], list(range(8)), t1_ms=3, t2_ms=6)

    assert split.warm.tolist() == [0, 1, 2, 4, 5, 7]
    assert split.anchors("validation").tolist() == [2, 3]
    assert split.anchors("test").tolist() == [4]
    assert split.served_anchors("test").tolist() == [6]


def test_equal_times_keep_their_order_in_the_file() -> None:
    split = split_of([0, 1, 0, 0], [5, 6, 7, 8], [3, 3, 3, 1], t1_ms=10, t2_ms=20)

    assert split.order.tolist() == [3, 0, 2, 1]


def test_repeats_count_over_the_whole_history() -> None:
    tracks = [1, *range(2, 80), 1]

    split = split_of([0] * 80, tracks, list(range(80)), t1_ms=100, t2_ms=200)

    assert split.repeats.tolist() == [False] * 79 + [True]
    assert not split.histories.repeats[-1]


@pytest.mark.parametrize(("ahead", "first", "last"), [(50, 25, 50), (130, 25, 100)])
def test_a_long_future_is_judged_25_to_100_plays_ahead(ahead: int, first: int, last: int) -> None:
    split = everything_known([0, *range(100, 100 + ahead)])

    truths = long_term_truths(split, "test", stride=1)

    assert truths.far[0]
    assert truths.rows[: truths.bounds[1]].tolist() == [99 + place + FIRST_TRACK for place in range(first, last + 1)]


def test_a_short_future_is_judged_within_thirty_days() -> None:
    split = everything_known([0, *[30 * DAY_MS] * 5, 30 * DAY_MS + 1])

    truths = long_term_truths(split, "test", stride=1)

    assert truths.anchors.tolist() == [0, 1]
    assert not truths.far.any()
    assert np.diff(truths.bounds).tolist() == [5, 5]


def test_validation_does_not_look_beyond_its_part() -> None:
    split = split_of([0] * 9, list(range(9)), [0, *range(10, 18)], t1_ms=10**9, t2_ms=10**9)
    early = split_of([0] * 18, [*range(9), *range(9)], [*range(9), *range(10, 19)], t1_ms=10, t2_ms=16)

    assert not len(long_term_truths(split, "validation", stride=1).anchors)
    assert early.rows[8:16].tolist() == [10, 2, 3, 4, 5, 6, 7, 8]
    truths = long_term_truths(early, "validation", stride=1)
    assert truths.rows[: truths.bounds[1]].tolist() == [2, 3, 4, 5, 6, 7]
    assert truths.repeats.all()


def test_training_histories_end_at_t1_with_rising_sessions() -> None:
    split = split_of([0, 0, 0, 1], [1, 2, 1, 2], [0, 1, 2_000_000, 5], t1_ms=1_000_000, t2_ms=3_000_000)

    histories, sessions = split.training_histories()

    assert histories.bounds.tolist() == [0, 2, 3]
    assert sessions.tolist() == [1, 1, 3]


def everything_known(times_ms: list[int]) -> Split:
    """One listener plays a new track at each time, all in the test part; another played every track before T1."""
    tracks = [0, *range(100, 99 + len(times_ms))]
    times_ms = [1000 + time_ms for time_ms in times_ms]
    return split_of([0] * len(tracks) + [1] * 400, tracks + list(range(400)), times_ms + [0] * 400, t1_ms=1, t2_ms=1)


def test_plays_split_once_leave_the_newest_eighth_unseen() -> None:
    rng = np.random.default_rng(2)
    times_ms = 1_400_000_000_000 + rng.permutation(800) * 100_000
    plays = Plays(rng.integers(0, 9, 800), rng.integers(0, 50, 800), [f"t{n}" for n in range(50)], times_ms)

    split = split_once(plays)

    assert split.t1_ms == np.sort(times_ms)[len(times_ms) * 7 // 8]
    assert times_ms.max() < split.t2_ms
    assert len(split.anchors("validation"))
    assert not len(split.anchors("test"))
    warm = np.isin(plays.tracks, plays.tracks[times_ms < split.t1_ms])
    assert split.histories.num_plays == warm.sum()


def test_plays_may_be_split_once_anywhere() -> None:
    plays = Plays(np.zeros(9, np.int64), np.arange(9) % 3, ["a", "b", "c"], np.arange(9))

    assert [split_once(plays, t1_ms=t1_ms).t1_ms for t1_ms in (4, 8)] == [4, 8]
    with pytest.raises(ValueError, match="no plays to split"):
        split_once(Plays(*(np.zeros(0, np.int64),) * 2, [], np.zeros(0, np.int64)))
