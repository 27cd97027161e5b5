"""The worker process: start in order, watch, stop between two batches."""

import asyncio
import gc
import logging

from streamer.faust.app import (
    stop_app,
)
from streamer.kafka.topics import ensure_topics
from streamer.runtime.crash import CLOCK_PERIOD_S, ClockWatch, crash
from streamer.runtime.stop import stop_signal
from streamer.runtime.web import WebServer
from streamer.settings import Settings
from streamer.worker.app import Worker, create_worker
from streamer.worker.engine import Engine
from streamer.worker.health import Watch

logger = logging.getLogger(__name__)

#: New objects until cycles are looked for: some ten batches.
_COLLECT_AFTER_OBJECTS = 100_000

_STOP_LIMIT_S = 30.0


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
