"""The health of a worker: looked at every second, for the gauges and for whoever restarts it."""

import asyncio
import contextlib
import time

from streamer.faust.app import check_partitions, is_ready, num_left, owned_partitions, remaining_records, standby_lags
from streamer.worker.app import Worker

_WATCH_PERIOD_S = 1.0

#: A worker with work and without progress for this long asks to be restarted; above any batch and any rebalance.
_MAX_STANDSTILL_S = 120.0


class Watch:
    """Looks at a worker every second: for the gauges, and for the question whether it should be restarted."""

    def __init__(self, worker: Worker, source_topic: str, num_partitions: int) -> None:
        self._worker = worker
        self._source_topic = source_topic
        self._num_partitions = num_partitions
        self._seen: dict[object, int] = {}
        self._progress_at_s: dict[object, float] = {}

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            with contextlib.suppress(LookupError):  # a partition moves on while it is looked at
                await self._look()
            await asyncio.sleep(_WATCH_PERIOD_S)

    def unhealthy(self) -> str:
        """Say if there has been work and no progress for too long."""
        for what, progress_at_s in self._progress_at_s.items():
            standstill_s = time.monotonic() - progress_at_s
            if standstill_s > _MAX_STANDSTILL_S:
                return f"no progress for {standstill_s:.0f} s: {what}"
        return ""

    def unready(self) -> str:
        """Say if plays are not answered yet."""
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
            {tp.partition: self._worker.answering.table.store.estimate_num_keys(tp.partition) for tp in owned},
            standby_lags(app),
        )
        progress: dict[object, tuple[int, int]] = {
            f"partition {tp.partition}": (mark, lag) for tp, mark, lag in zip(owned, marks, lags, strict=True)
        }
        self._note(progress | {"recovery": (-remaining, remaining)})

    def _note(self, progress: dict[object, tuple[int, int]]) -> None:
        """Note of each thing how far it is and how much is left; it stands still if neither moves nor is done."""
        now_s = time.monotonic()
        self._progress_at_s = {
            what: self._progress_at_s.get(what, now_s) if left and self._seen.get(what) == done else now_s
            for what, (done, left) in progress.items()
        }
        self._seen = {what: done for what, (done, _) in progress.items()}
