"""The worker process: starts in order, watches itself, stops between two batches."""

import asyncio
import gc
import logging

from streamer.faust.app import stop_app
from streamer.kafka.topics import ensure_topics
from streamer.runtime.crash import CLOCK_PERIOD_S, ClockWatch, crash
from streamer.runtime.stop import stop_signal
from streamer.runtime.web import WebServer
from streamer.settings import Settings
from streamer.worker.app import Worker, create_worker
from streamer.worker.champion import Releases
from streamer.worker.engine import Engine
from streamer.worker.health import Watch

logger = logging.getLogger(__name__)

#: New objects between searches for cycles: about ten batches.
_COLLECT_AFTER_OBJECTS = 100_000

_STOP_LIMIT_S = 30.0


async def run_worker(settings: Settings, engine: Engine | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        settings: of the process.
        engine: computes the steps; None builds the one that the settings describe.

    Raises:
        ContractError: a topic does not have the settings it needs.
    """
    logger.info("worker starts %s", settings.describe())
    stopping = stop_signal()
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
    if not await _start_releases(worker.answering.releases, stopping):
        logger.info("worker stops without a release")
        return
    await worker.app.start()
    spare_collector()
    await stopping.wait()
    logger.info("worker stops")
    await _stop(worker, web, tasks)


async def _start_releases(releases: Releases, stopping: asyncio.Event) -> bool:
    """Take up the champion; return False if the stop signal comes while the worker waits for a release."""
    starting = asyncio.create_task(releases.start(), name="start of releases")
    waiting = asyncio.create_task(stopping.wait(), name="stop signal")
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():  # nothing else has been started yet
        starting.cancel()
        return False
    waiting.cancel()
    await starting
    return True


async def _stop(worker: Worker, web: WebServer, tasks: list["asyncio.Task[None]"]) -> None:
    """Stop between two batches; if something hangs for too long, end the process and leave the rest to recovery."""
    limit = asyncio.get_running_loop().call_later(  # not a timeout: Faust swallows the cancellation it would send
        _STOP_LIMIT_S, crash, f"the worker did not stop within {_STOP_LIMIT_S:.0f} s; nothing is lost"
    )
    await worker.answering.drain.close()
    for task in tasks:
        task.cancel()
    await stop_app(worker.app)
    await worker.answering.fences.drop()
    await worker.answering.releases.stop()
    await web.stop()
    worker.answering.engine.close()
    limit.cancel()


def spare_collector() -> None:
    """Run the garbage collector rarely, and never over what was imported.

    A batch makes thousands of objects and no cycles. Searching for cycles cost 10 us per play, a third of all time
    outside the model.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, 10, 10)


async def _watch_clock(limit_s: float) -> None:
    """End a process that was frozen for longer than its session: its partitions belong to another worker."""
    watch = ClockWatch(limit_s)
    while True:
        await asyncio.sleep(CLOCK_PERIOD_S)
        if (frozen_s := watch.check()) is not None:
            crash(f"the process was frozen for {frozen_s:.1f} s, longer than its session; it must start again")
