"""Seconds: what a worker did in each of the latest seconds, as columns that can be added up over workers.

Rates, lags and counts are summed; the lag in seconds is the longest. Of workers that do not answer all partitions, what
waits is not known: it is that of all, or none. Means and percentiles are computed from sums
alone, so those of several workers are those of all their plays.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.metrics.latencies import LATENCY_SECONDS
from streamer.metrics.totals import Totals
from streamer.wire.views_figures import NUM_BUCKETS

RATES: Final = ("plays_per_s", "answers_per_s", "dead_letters_per_s")
_ADDED: Final = (*RATES, "lag_plays", "partitions", "plays", "batches", "step_cpu_us", "latencies")

#: A second, at the end of which it was sampled; what is not known is NaN, or None.
SECOND: Final = np.dtype([
    ("at_ms", np.int64),
    *((rate, np.float64) for rate in RATES),
    ("lag_plays", np.float64),
    ("lag_s", np.float64),
    ("release", np.object_),
    ("partitions", np.int64),
    ("plays", np.int64),
    ("batches", np.int64),
    ("step_cpu_us", np.float64),
    ("latencies", np.int64, (NUM_BUCKETS,)),
])  # fmt: skip

#: (n,) of `SECOND`, oldest first.
Seconds = NDArray[np.void]

_LOWER_MS: Final = 1000 * np.array([0, *LATENCY_SECONDS])
_UPPER_MS: Final = 1000 * np.array([*LATENCY_SECONDS, LATENCY_SECONDS[-1]])  # above the last edge, nothing is known


class Ring:
    """The latest seconds.

    Args:
        num_seconds: that are kept.
    """

    def __init__(self, num_seconds: int) -> None:
        self._ring = np.zeros(num_seconds, SECOND)
        self._num = 0

    def append(self, second: Seconds) -> None:
        """Add a second, (1,). If it is not after the last one, the clock was set back: drop all others."""
        if self._num and second["at_ms"][0] <= self._ring["at_ms"][(self._num - 1) % len(self._ring)]:
            self._num = 0
        self._ring[self._num % len(self._ring)] = second[0]
        self._num += 1

    def seconds(self) -> Seconds:
        """Return all that is kept: a copy."""
        if self._num <= len(self._ring):
            return self._ring[: self._num].copy()
        return np.roll(self._ring, -(self._num % len(self._ring)))

    def latest(self) -> Seconds:
        """Return the latest second, (1,), or (0,) before the first: a copy."""
        last = (self._num - 1) % len(self._ring)
        return self._ring[last : last + 1].copy() if self._num else self._ring[:0].copy()


def second_of(
    before: Totals, after: Totals, seconds: float, *, at_ms: int, lag: tuple[float, float], release: str | None,
    partitions: int,
) -> Seconds:  # fmt: skip
    """Subtract two readings of the same worker.

    Args:
        before: the earlier reading.
        after: the later one.
        seconds: between them.
        at_ms: of the later one, ms since the epoch.
        lag: in plays and in seconds; NaN: unknown.
        release: that answers.
        partitions: that are answered.
    """
    second = np.zeros(1, SECOND)
    second["at_ms"] = at_ms
    second["plays_per_s"] = (after.plays - before.plays) / seconds
    second["answers_per_s"] = (after.answers - before.answers) / seconds
    second["dead_letters_per_s"] = (after.dead_letters - before.dead_letters) / seconds
    second["lag_plays"], second["lag_s"] = lag
    second["release"] = release
    second["partitions"] = partitions
    second["plays"] = after.plays - before.plays
    second["batches"] = after.batches - before.batches
    second["step_cpu_us"] = (after.step_cpu_s - before.step_cpu_s) * 1e6
    second["latencies"] = after.latencies - before.latencies
    return second


def add_up(of_workers: Sequence[Seconds]) -> Seconds:
    """Add up the same seconds of several workers, up to the last one that all have; before, one may have been away."""
    joined = np.concatenate([np.zeros(0, SECOND), *of_workers])
    last_ms = min((int(seconds["at_ms"][-1]) for seconds in of_workers if len(seconds)), default=0)
    joined = joined[joined["at_ms"] <= last_ms]
    at_ms, places = np.unique(joined["at_ms"], return_inverse=True)
    added = np.zeros(len(at_ms), SECOND)
    added["at_ms"] = at_ms
    for name in _ADDED:
        np.add.at(added[name], places, joined[name])
    with np.errstate(invalid="ignore"):  # of NaN and a number: NaN
        np.maximum.at(added["lag_s"], places, joined["lag_s"])
    releases: list[set[str | None]] = [set() for _ in at_ms]
    for place, release in zip(places.tolist(), joined["release"], strict=True):
        releases[place].add(release)
    added["release"] = [each.pop() if len(each) == 1 else None for each in releases]
    return added


def without_partial_lag(seconds: Seconds, num_partitions: int) -> Seconds:
    """Return seconds whose lag is not known where fewer than all partitions are answered: a copy."""
    whole = seconds.copy()
    for name in ("lag_plays", "lag_s"):
        whole[name][seconds["partitions"] < num_partitions] = np.nan
    return whole


def together(of_workers: Sequence[Seconds]) -> Seconds:
    """Add up the latest second of each worker, (1,) each; they end within a second of each other."""
    newest_ms = max((int(second["at_ms"][0]) for second in of_workers if len(second)), default=0)
    for second in (aligned := [second.copy() for second in of_workers]):
        second["at_ms"] = newest_ms
    return add_up(aligned)


def percentile_ms(latencies: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Return the latency of a share of the plays, (n,), linear within its bucket; NaN where there are none.

    Args:
        latencies: int64 (n, buckets), plays.
        share: above 0, up to 1.
    """
    up_to = latencies.cumsum(1)  # (n, buckets)
    wanted = share * up_to[:, -1]  # (n,)
    bucket = np.minimum((up_to < wanted[:, None]).sum(1), NUM_BUCKETS - 1)  # (n,)
    held = np.take_along_axis(latencies, bucket[:, None], 1)[:, 0]
    below = np.take_along_axis(up_to, bucket[:, None], 1)[:, 0] - held
    with np.errstate(invalid="ignore"):  # 0 of 0 plays
        within = (wanted - below) / held
    found_ms: NDArray[np.float64] = _LOWER_MS[bucket] + (_UPPER_MS - _LOWER_MS)[bucket] * within
    return found_ms
