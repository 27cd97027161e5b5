"""Counters become figures of a second."""

import asyncio
import math

import numpy as np
import pytest

from streamer.metrics import WorkerMetrics
from streamer.queries.sampling import KEPT, Sampling


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


def test_rates_are_of_the_time_between_two_samples_however_long_it_was() -> None:
    metrics, clock = WorkerMetrics(), Clock()
    metrics.plays.inc(500)
    sampling = Sampling(metrics, lambda: "r1", lambda: 3, clock)

    for lasted_s, num_plays in ((1.0, 40), (3.0, 60), (1.0, 0)):
        metrics.plays.inc(num_plays)
        clock.now_s += lasted_s
        sampling.sample()

    seconds = sampling.ring.seconds()
    assert seconds["plays_per_s"].tolist() == [40, 20, 0]
    assert seconds["plays"].tolist() == [40, 60, 0]
    assert (seconds["at_ms"] - 1_700_000_000_000).tolist() == [1000, 4000, 5000]
    assert seconds["release"].tolist() == ["r1"] * 3
    assert seconds["partitions"].tolist() == [3] * 3


def test_lag_is_that_of_all_partitions_and_unknown_while_one_is() -> None:
    metrics, clock = WorkerMetrics(), Clock()
    sampling = Sampling(metrics, lambda: None, lambda: 0, clock)
    shown: list[tuple[dict[int, float], dict[int, float]]] = [
        ({}, {}),
        ({0: 3, 1: 4}, {0: 0.5, 1: 2.0}),
        ({0: 3, 1: math.nan}, {0: math.nan, 1: 2.0}),
    ]

    sampling.sample()
    for lags, ages_s in shown:
        metrics.show_partitions(lags, {}, {})
        metrics.show_ages(ages_s)
        clock.now_s += 1
        sampling.sample()

    seconds = sampling.ring.seconds()
    np.testing.assert_array_equal(seconds["lag_plays"], [math.nan, 0, 7, math.nan])
    np.testing.assert_array_equal(seconds["lag_s"], [math.nan, 0, 2, math.nan])


def test_ten_minutes_are_kept() -> None:
    clock = Clock()
    sampling = Sampling(WorkerMetrics(), lambda: None, lambda: 0, clock)

    for _ in range(KEPT + 5):
        clock.now_s += 1
        sampling.sample()

    at_ms = sampling.ring.seconds()["at_ms"]
    assert (len(at_ms), at_ms[-1] - at_ms[0]) == (600, 599_000)


async def test_whoever_waits_is_woken_by_the_next_sample_which_ends_with_a_second_of_the_clock() -> None:
    sampling = Sampling(WorkerMetrics(), lambda: None, lambda: 0)
    task = asyncio.create_task(sampling.run())

    await asyncio.wait_for(sampling.wait(), 30)

    assert len(sampling.ring.seconds()) == 1
    assert sampling.ring.latest()["at_ms"][0] % 1000 == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
