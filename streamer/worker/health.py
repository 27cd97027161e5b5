"""The health of a worker, checked every second for the gauges and for the orchestrator that restarts it."""

import asyncio
import contextlib
import time

from streamer.faust.app import check_partitions, is_ready, num_left, owned_partitions, remaining_records, standby_lags
from streamer.worker.app import Worker

_WATCH_PERIOD_S = 1.0

#: A worker that has work but makes no progress for this long is unhealthy; longer than any batch and any rebalance.
_MAX_STANDSTILL_S = 120.0


class Watch:
    """Checks a worker every second, sets its gauges and says whether it should be restarted."""

    def __init__(self, worker: Worker, source_topic: str, num_partitions: int) -> None:
        self._worker = worker
        self._source_topic = source_topic
        self._num_partitions = num_partitions
        self._seen: dict[object, int] = {}
        self._progress_at_s: dict[object, float] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            with contextlib.suppress(LookupError):  # a partition goes to another worker during the check
                await self._look()
            await asyncio.sleep(_WATCH_PERIOD_S)

    def unhealthy(self) -> str:
        """Say what has had work but no progress for too long; empty if nothing has."""
        for what, progress_at_s in self._progress_at_s.items():
            standstill_s = time.monotonic() - progress_at_s
            if standstill_s > _MAX_STANDSTILL_S:
                return f"no progress for {standstill_s:.0f} s: {what}"
        return ""

    def unready(self) -> str:
        """Say why plays are not answered yet; empty if they are."""
        return "" if is_ready(self._worker.app) else "recovering"

    async def _look(self) -> None:
        app, metrics = self._worker.app, self._worker.answering.metrics
        remaining = remaining_records(app)
        owned = owned_partitions(app, self._source_topic) if is_ready(app) else []
        metrics.recovery_remaining.set(remaining)
        metrics.partitions_owned.set(len(owned))
        check_partitions(app, self._source_topic, self._num_partitions)
        marks = [self._worker.answering.table.mark(tp.partition).offset for tp in owned]
        lags = [await num_left(app, tp, mark) for tp, mark in zip(owned, marks, strict=True)]
        metrics.show_partitions(
            {tp.partition: lag for tp, lag in zip(owned, lags, strict=True)},
            {tp.partition: self._worker.answering.table.num_listeners(tp.partition) for tp in owned},
            standby_lags(app),
        )
        progress: dict[object, tuple[int, int]] = {
            f"partition {tp.partition}": (mark, lag) for tp, mark, lag in zip(owned, marks, lags, strict=True)
        }
        self._note(progress | {"recovery": (-remaining, remaining)})

    def _note(self, progress: dict[object, tuple[int, int]]) -> None:
        """Record how far each item is and how much is left; an item with work left and the same position is stuck."""
        now_s = time.monotonic()
        self._progress_at_s = {
            what: self._progress_at_s.get(what, now_s) if left and self._seen.get(what) == done else now_s
            for what, (done, left) in progress.items()
        }
        self._seen = {what: done for what, (done, _) in progress.items()}
