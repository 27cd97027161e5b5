import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streamer.metrics import WorkerMetrics
from streamer.metrics.latencies import LATENCY_SECONDS, Latencies
from streamer.metrics.totals import Totals
from streamer.queries.seconds import SECOND, Ring, Seconds, add_up, percentile_ms, second_of, together
from streamer.wire.views_figures import NUM_BUCKETS

latencies_s = st.lists(st.floats(0, 400), max_size=60)


def counted(*seconds: float) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    latencies = Latencies("latency", "of a play", CollectorRegistry())
    latencies.observe(np.array(seconds))
    return latencies.counts


def second(at_ms: int, *latencies_s: float, release: str | None = "r1", **columns: float) -> Seconds:
    made = np.zeros(1, SECOND)
    made["at_ms"], made["release"], made["latencies"] = at_ms, release, counted(*latencies_s)
    for name, value in columns.items():
        made[name] = value
    return made


def test_a_second_is_what_was_counted_between_two_readings() -> None:
    metrics = WorkerMetrics(causes=["null-key"])
    metrics.plays.inc(1000)
    before = Totals.of(metrics)
    metrics.plays.inc(30)
    metrics.recommendations.labels("short-term").inc(25)
    metrics.recommendations.labels("long-term").inc(20)
    metrics.dead_letters.labels("null-key").inc(3)
    metrics.batch_plays.observe(10)
    metrics.batch_plays.observe(20)
    metrics.step_cpu.inc(0.006)
    metrics.latency_seconds.observe(np.array([0.004, 0.2]))

    found = second_of(
        before, Totals.of(metrics), 1.5, at_ms=7000, lag=(4, math.nan), release="r1", partitions=2
    )  # fmt: skip

    assert found["plays_per_s"] == 20
    assert found["answers_per_s"] == 30
    assert found["dead_letters_per_s"] == 2
    assert [found[name][0] for name in ("plays", "batches", "partitions", "lag_plays")] == [30, 2, 2, 4]
    assert found["step_cpu_us"] == pytest.approx(6000)
    assert np.isnan(found["lag_s"])
    assert np.array_equal(found["latencies"][0], counted(0.004, 0.2))


@given(st.lists(latencies_s, min_size=1, max_size=4))
def test_percentiles_of_all_workers_are_those_of_all_their_plays(of_workers: list[list[float]]) -> None:
    added = add_up([second(1000, *each, plays=len(each)) for each in of_workers])
    whole = second(1000, *(latency_s for each in of_workers for latency_s in each))

    assert added["plays"][0] == sum(map(len, of_workers))
    for share in (0.5, 0.99):
        np.testing.assert_array_equal(
            percentile_ms(added["latencies"], share), percentile_ms(whole["latencies"], share)
        )


@given(latencies_s.filter(bool), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_a_percentile_lies_in_the_bucket_of_the_play_it_is_of(latencies_s: list[float], share: float) -> None:
    (found_ms,) = percentile_ms(counted(*latencies_s)[None], share)
    edges_s = [0, *LATENCY_SECONDS]

    exact_s = sorted(latencies_s)[math.ceil(share * len(latencies_s) - 1e-9) - 1]

    bucket = int(np.searchsorted(LATENCY_SECONDS, exact_s))
    assert edges_s[bucket] * 1000 <= found_ms <= edges_s[min(bucket + 1, NUM_BUCKETS - 1)] * 1000


def test_a_percentile_is_linear_within_its_bucket_and_unknown_without_plays() -> None:
    in_one_bucket, none = counted(*[0.15] * 4), counted()

    found_ms = percentile_ms(np.stack([in_one_bucket, none]), 0.75)

    assert found_ms[0] == pytest.approx(100 + 0.75 * 100)
    assert np.isnan(found_ms[1])


def test_seconds_of_workers_are_added_where_they_are_the_same() -> None:
    one = np.concatenate([second(at_s * 1000, plays_per_s=at_s, lag_s=2, partitions=1) for at_s in (1, 2, 3)])
    other = np.concatenate([second(at_s * 1000, plays_per_s=10, lag_s=7, partitions=2) for at_s in (2, 3, 4)])
    other["release"], other["lag_plays"] = "r2", [5, math.nan, 5]

    added = add_up([one, other, np.zeros(0, SECOND)])

    assert added["at_ms"].tolist() == [1000, 2000, 3000]  # of the fourth, the first worker has not told yet
    assert added["plays_per_s"].tolist() == [1, 12, 13]
    assert added["partitions"].tolist() == [1, 3, 3]
    assert added["lag_s"].tolist() == [2, 7, 7]
    assert added["release"].tolist() == ["r1", None, None]
    np.testing.assert_array_equal(added["lag_plays"], [0, 5, math.nan])
    assert len(add_up([])) == 0


def test_the_latest_seconds_of_workers_are_one_however_they_tick() -> None:
    found = together([second(1000, plays_per_s=5), second(2000, plays_per_s=6), np.zeros(0, SECOND)])

    assert (found["at_ms"].tolist(), found["plays_per_s"].tolist()) == ([2000], [11])


def test_a_ring_keeps_the_latest_seconds_in_order_and_forgets_a_future() -> None:
    ring = Ring(3)
    assert (len(ring.seconds()), len(ring.latest())) == (0, 0)

    for number in range(1, 6):
        ring.append(second(number * 1000))
        assert ring.seconds()["at_ms"].tolist() == [each * 1000 for each in range(max(1, number - 2), number + 1)]
        assert ring.latest()["at_ms"].tolist() == [number * 1000]

    ring.append(second(2000))
    assert ring.seconds()["at_ms"].tolist() == [2000]
