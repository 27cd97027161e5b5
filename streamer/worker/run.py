"""The worker process: starts in order, watches itself, stops between two batches."""

import asyncio
import gc
import logging
from dataclasses import dataclass

from streamer.faust.app import advertise, stop_app
from streamer.kafka.access import check_access
from streamer.kafka.connection import connection_of
from streamer.kafka.contact import Contact
from streamer.kafka.limits import check_limits
from streamer.kafka.retention import show_retention
from streamer.kafka.rights import worker_rights
from streamer.kafka.topics import ensure_topics
from streamer.metrics import WorkerMetrics
from streamer.runtime.address import own_url
from streamer.runtime.crash import CLOCK_PERIOD_S, ClockWatch, crash, leave
from streamer.runtime.device import pick_device
from streamer.runtime.files import hold_directory
from streamer.runtime.last_words import Past, keep_last_words
from streamer.runtime.open_files import raise_open_files
from streamer.runtime.stop import GRACE_S, stop_signal, unless_stopped
from streamer.runtime.tasks import start_dispensable, start_vital
from streamer.runtime.vitals import show_vitals
from streamer.runtime.web import WebServer, check_address
from streamer.settings import Settings
from streamer.worker.app import Worker, create_worker, needs_of
from streamer.worker.beside import Beside, create_beside
from streamer.worker.engine import Engine
from streamer.worker.health import Watch
from streamer.worker.warmup import warm_up, warm_up_views

logger = logging.getLogger(__name__)

#: New objects between searches for cycles: about ten batches.
_COLLECT_AFTER_OBJECTS = 100_000


@dataclass(frozen=True, slots=True)
class _Running:
    """A worker that has been started, and what runs beside it."""

    worker: Worker
    contact: Contact
    beside: Beside
    web: WebServer
    tasks: "list[asyncio.Task[None]]"


async def run_worker(settings: Settings, engine: Engine | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        settings: of the process.
        engine: computes the steps; None builds the one that the settings describe.

    Raises:
        AccessError: Kafka does not let us in, or a right is missing.
        ContractError: a topic does not have the settings it needs.
        InUseError: another worker uses the state directory.
        SettingsError: the state directory, the device or the web server's address cannot be used.
    """
    logger.info("worker starts %s", settings.describe())
    stopping = stop_signal(lambda: crash(f"the worker did not stop within {GRACE_S:.0f} s; nothing is lost"))
    with (
        hold_directory(settings.state_dir, name="state directory", remedy="set another REFRAIN_STATE_DIR"),
        keep_last_words(settings.state_dir) as words,
    ):
        running = await unless_stopped(_start(settings, engine, words.past), stopping)
        if running is None:
            words.stop()
            leave("the worker was still starting")
        await stopping.wait()
        words.stop()
        logger.info("worker stops")
        await _stop(running)


async def _start(settings: Settings, engine: Engine | None, past: Past) -> _Running:
    device = pick_device(settings.device)  # what the settings get wrong is said before a topic is created
    await check_address(settings.web_host, settings.web_port)
    await check_access(connection_of(settings), worker_rights(settings))
    num_partitions = await ensure_topics(settings)
    raise_open_files(num_partitions)
    max_batch_bytes = await check_limits(connection_of(settings), needs_of(settings))
    worker = create_worker(settings, num_partitions, engine, max_batch_bytes)
    metrics = worker.answering.metrics
    contact = Contact(connection_of(settings), settings.plays_topic)
    metrics.kafka_unreachable.set_function(lambda: contact.unreachable_s)
    metrics.num_partitions.set(num_partitions)
    show_vitals(metrics, "worker", str(device), settings.state_dir, past)
    watch = Watch(worker, contact, settings.plays_topic, num_partitions)
    beside = create_beside(settings, worker, num_partitions)
    web = WebServer(
        settings.web_host, settings.web_port, registry=metrics.registry,
        unhealthy=watch.unhealthy, unready=watch.unready, remark=watch.remark,
        extend=beside.queries.extend if settings.page == "on" else None,
    )  # fmt: skip
    advertise(worker.app, await _url(settings, await web.start()))
    logger.info("worker compiles, or loads what is compiled: the first start on a machine takes a minute")
    await asyncio.to_thread(warm_up)  # before it joins the group: heartbeats would wait for a compilation
    tasks = _start_tasks(settings, watch, contact, beside, metrics)
    await worker.answering.releases.start()
    await worker.answering.withdrawals.start()
    spare_collector()  # takes half a second, for which nobody would answer the partitions once it has joined its group
    await worker.app.start()
    if settings.page == "on":
        beside.names.start()  # after all that plays wait for
        compiling = beside.listening.sideline.run(warm_up_views)
        tasks.append(start_dispensable(compiling, "compilation of what views need"))
    return _Running(worker, contact, beside, web, tasks)


def _start_tasks(
    settings: Settings, watch: Watch, contact: Contact, beside: Beside, metrics: WorkerMetrics
) -> "list[asyncio.Task[None]]":
    retention = show_retention(connection_of(settings), settings.plays_topic, metrics.retention.set)
    return [
        start_vital(_watch_clock(settings.session_timeout_s), "clock"),
        start_vital(watch.run(), "watch"),
        start_vital(contact.run(), "contact with Kafka"),
        *beside.start(),
        start_vital(retention, "look at the retention"),
    ]


async def _url(settings: Settings, port: int) -> str:
    """Return the address that the other workers are told."""
    url = settings.advertised_url or await own_url(settings.web_host, port, connection_of(settings).servers)
    logger.info("address told to the other workers url=%s", url)
    return url


async def _stop(running: _Running) -> None:
    """Stop between two batches. What hangs is ended with the process, and the rest left to recovery."""
    answering = running.worker.answering
    running.beside.queries.close()  # event streams would hold up the web server
    await answering.drain.close()
    if running.contact.is_lost:
        leave("Kafka does not answer, so the worker cannot leave its group")
    for task in running.tasks:
        task.cancel()
    await stop_app(running.worker.app)
    await answering.fences.drop()
    await answering.releases.stop()
    await answering.withdrawals.stop()
    if answering.traces:
        await answering.traces.close()
    await running.web.stop()
    await running.beside.close()
    answering.engine.close()


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
