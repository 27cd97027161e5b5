"""The worker process: start in order, watch, stop between two batches."""

import asyncio
import contextlib
import gc
import logging
import time

from streamer.app import Worker, create_worker
from streamer.engine import Engine
from streamer.faust.app import (
    check_partitions,
    is_ready,
    num_left,
    owned_partitions,
    remaining_records,
    standby_lags,
    stop_app,
)
from streamer.kafka.topics import ensure_topics
from streamer.runtime.crash import CLOCK_PERIOD_S, ClockWatch, crash
from streamer.runtime.stop import stop_signal
from streamer.runtime.web import WebServer
from streamer.settings import Settings

logger = logging.getLogger(__name__)

_WATCH_PERIOD_S = 1.0

#: New objects until cycles are looked for: some ten batches.
_COLLECT_AFTER_OBJECTS = 100_000

_STOP_LIMIT_S = 30.0

#: A worker with work and without progress for this long asks to be restarted; above any batch and any rebalance.
_MAX_STANDSTILL_S = 120.0


async def run_worker(settings: Settings, engine: Engine | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        settings: as read.
        engine: computes; absent: as the settings say.

    Raises:
        ContractError: the topics are not as they must be.
    """
    logger.info("worker starts %s", settings.describe())
    asked_to_stop = stop_signal()
    num_partitions = await ensure_topics(settings)
    worker = create_worker(settings, num_partitions, engine)
    watch = Watch(worker, settings.plays_topic, num_partitions)
    web = WebServer(
        settings.web_host, settings.web_port, registry=worker.answering.metrics.registry,
        unhealthy=watch.unhealthy, unready=watch.unready,
    )  # fmt: skip
    tasks = [
        asyncio.create_task(_watch_clock(settings.session_timeout_s), name="clock"),
        asyncio.create_task(watch.run(), name="watch"),
    ]
    await web.start()
    starting = asyncio.create_task(worker.answering.releases.start(), name="start of releases")
    stopping = asyncio.create_task(asked_to_stop.wait(), name="stop signal")
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():  # it waits for a release that can be taken up; nothing else has begun
        logger.info("worker stops without a release")
        starting.cancel()
        return
    await starting
    await worker.app.start()
    spare_collector()
    await stopping
    logger.info("worker stops")
    await _stop(worker, web, tasks)


async def _stop(worker: Worker, web: WebServer, tasks: list["asyncio.Task[None]"]) -> None:
    """End between two batches; what hangs longer than an operator's patience is left to recovery."""
    limit = asyncio.get_running_loop().call_later(  # not a timeout: Faust swallows the cancellation it would send
        _STOP_LIMIT_S, crash, f"the worker did not stop within {_STOP_LIMIT_S:.0f} s; nothing is lost"
    )
    await worker.answering.gate.close()
    for task in tasks:
        task.cancel()
    await stop_app(worker.app)
    await worker.answering.fences.drop()
    await worker.answering.releases.stop()
    await web.stop()
    worker.answering.engine.close()
    limit.cancel()


def spare_collector() -> None:
    """Let the garbage collector look rarely, and never at what was imported.

    A batch makes thousands of objects and no cycles; looking for some cost 10 us a play, a third of all but the model.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, 10, 10)


async def _watch_clock(limit_s: float) -> None:
    """End a process that was frozen for longer than its session lasts: its partitions are somebody else's."""
    watch = ClockWatch(limit_s)
    while True:
        await asyncio.sleep(CLOCK_PERIOD_S)
        if (frozen_s := watch.check()) is not None:
            crash(f"the process stood still for {frozen_s:.1f} s, longer than its session lasts; it starts over")


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
