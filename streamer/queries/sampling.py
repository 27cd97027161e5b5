"""Sampling: once a second, a worker's counters are read, and what they rose by is kept for some minutes."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from streamer.metrics import WorkerMetrics
from streamer.metrics.totals import Totals
from streamer.queries.figure_views import figures
from streamer.queries.seconds import Ring, second_of
from streamer.wire.views_figures import Figures

#: Seconds that are kept: ten minutes.
KEPT: Final = 600


class Sampling:
    """Keeps the latest seconds of a worker.

    Args:
        metrics: of the worker.
        release: the id of the one that answers; None before the first.
        partitions: how many are answered now.
        clock: seconds since the epoch.

    Attributes:
        ring: the latest seconds, which end when the clock's do, so that those of several workers are the same.
    """

    def __init__(
        self,
        metrics: WorkerMetrics,
        release: Callable[[], str | None],
        partitions: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._release = release
        self._partitions = partitions
        self._clock = clock
        self._before, self._before_at_s = Totals.of(metrics), clock()
        self._sampled = asyncio.Event()
        self.ring = Ring(KEPT)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            now_s = self._clock()
            await asyncio.sleep(round(now_s) + 1 - now_s)
            self.sample()

    async def wait(self) -> None:
        """Wait for the next sample."""
        await self._sampled.wait()

    def latest(self) -> Figures | None:
        """Return the latest second as it is shown; None before the first."""
        return figures(second) if len(second := self.ring.latest()) else None

    def sample(self) -> None:
        """Keep the second that ends now: what was counted since the last one. Takes 0.15 ms."""
        totals, now_s = Totals.of(self._metrics), self._clock()
        seconds = max(now_s - self._before_at_s, 1e-3)  # the clock may have been set back
        lag = self._metrics.lag_plays_total, self._metrics.lag_seconds_most
        self.ring.append(
            second_of(
                self._before, totals, seconds, at_ms=round(now_s) * 1000, lag=lag,
                release=self._release(), partitions=self._partitions(),
            )
        )  # fmt: skip
        self._before, self._before_at_s = totals, now_s
        self._sampled.set()
        self._sampled = asyncio.Event()
