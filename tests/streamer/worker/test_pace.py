"""The pace, and what becomes of latencies and batches under it: a worker simulated by its costs."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.worker.pace import Pace

TARGET_S = 0.03
BATCH_S, PLAY_S = 0.004, 0.0001  # what a simulated batch costs
costs = st.floats(0, 1)


def paced(target_s: float = TARGET_S) -> Pace:
    """A pace that knows what batches cost."""
    pace = Pace(target_s)
    for num_plays in range(1, 60):
        pace.note(num_plays, BATCH_S + PLAY_S * num_plays)
    return pace


def simulate(rate: float, *, seconds: float = 20.0, max_plays: int = 2000) -> Iterator[NDArray[np.float64]]:
    """Yield the latencies of each batch, with plays that arrive at random at a rate."""
    arrivals = np.cumsum(np.random.default_rng(1).exponential(1 / rate, int(rate * seconds)))
    pace, now_s, first = Pace(TARGET_S), 0.0, 0
    while first < len(arrivals):
        now_s, last = max(now_s, arrivals[first]), first + 1
        while last < len(arrivals) and last - first < max_plays:
            if arrivals[last] > max(now_s, pace.due_s(arrivals[first], last - first)):
                now_s = max(now_s, pace.due_s(arrivals[first], last - first))
                break
            last += 1
        else:
            now_s = max(now_s, arrivals[last - 1])
        spent_s = BATCH_S + PLAY_S * (last - first)
        now_s += spent_s
        pace.note(last - first, spent_s)
        yield now_s - arrivals[first:last]
        first = last


def test_it_learns_what_a_batch_and_a_play_cost() -> None:
    assert paced().takes_s(0) == pytest.approx(BATCH_S)
    assert paced().takes_s(1000) == pytest.approx(BATCH_S + 1000 * PLAY_S)


def test_a_batch_waits_for_what_the_target_leaves_of_its_costs() -> None:
    pace = paced()

    assert pace.due_s(100.0, 10) == pytest.approx(100 + TARGET_S - pace.hold_s - BATCH_S - 10 * PLAY_S)
    assert pace.due_s(100.0, 1000) < 100.0  # it has waited for too long already


def test_without_a_target_nothing_waits() -> None:
    assert paced(0.0).due_s(100.0, 1) < 100.0
    assert paced(0.0).hold_s == 0


def test_fetches_are_held_back_until_the_batch_under_way_will_have_ended() -> None:
    pace = paced()
    pace.begin(1000, 100.0)

    assert pace.hold_from_s(100.01) == pytest.approx(BATCH_S + 1000 * PLAY_S - 0.01)
    assert pace.hold_from_s(200.0) == pace.hold_s

    pace.note(1000, BATCH_S + 1000 * PLAY_S)
    assert pace.hold_from_s(100.01) == pace.hold_s


def test_without_a_target_no_fetch_is_held_back() -> None:
    pace = paced(0.0)
    pace.begin(1000, 100.0)

    assert pace.hold_from_s(100.0) == 0


def test_it_follows_costs_that_change() -> None:
    pace = paced()

    for _ in range(200):
        pace.note(50, 0.02)

    assert pace.takes_s(50) == pytest.approx(0.02, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 2000), costs), max_size=50), st.integers(1, 2000), st.integers(0, 2000))
def test_more_plays_never_make_a_batch_due_later(measured: list[tuple[int, float]], num_plays: int, more: int) -> None:
    pace = Pace(TARGET_S)
    for each in measured:
        pace.note(*each)

    assert 0 <= pace.takes_s(num_plays) <= pace.takes_s(num_plays + more)


@pytest.mark.parametrize(("rate", "most_batches_a_second"), [(5, 5), (50, 30), (500, 55), (5000, 85)])
def test_plays_are_answered_within_the_target_by_few_batches(rate: float, most_batches_a_second: float) -> None:
    batches = list(simulate(rate))

    assert np.quantile(np.concatenate(batches), 0.99) < TARGET_S
    assert len(batches) / 20 <= most_batches_a_second


def test_a_worker_that_cannot_keep_up_takes_full_batches() -> None:
    sizes = [len(batch) for batch in simulate(2 / PLAY_S, seconds=2.0)]

    assert np.mean(np.array(sizes[10:-1]) == 2000) > 0.9
