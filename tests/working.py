"""A worker in the process of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamer.faust.app import stop_app
from streamer.kafka.topics import ensure_topics
from streamer.settings import Settings
from streamer.worker.app import Worker, create_worker
from streamer.worker.engine import Engine
from streamer.worker.pipeline import Answering
from tests.until import until


@asynccontextmanager
async def working(settings: Settings, engine: Engine | None = None) -> AsyncIterator[Answering]:
    """Run a worker on the topics of the settings."""
    async with running(settings, engine) as worker:
        yield worker.answering


@asynccontextmanager
async def running(settings: Settings, engine: Engine | None = None) -> AsyncIterator[Worker]:
    """Run a worker, and yield all of it."""
    worker = create_worker(settings, await ensure_topics(settings), engine)
    await worker.answering.releases.start()
    await worker.answering.withdrawals.start()
    await worker.app.start()
    try:
        yield worker
    finally:
        await worker.answering.drain.close()
        await stop_app(worker.app)
        await worker.answering.fences.drop()
        await worker.answering.releases.stop()
        await worker.answering.withdrawals.stop()
        if worker.answering.traces:
            await worker.answering.traces.close()
        worker.answering.engine.close()


async def until_marked(answering: Answering, offset: int) -> None:
    """Wait until partition 0 has reached an offset."""
    await until(
        lambda: 0 in answering.fences.held and answering.table.mark(0).offset >= offset,
        f"the mark of partition 0 is at {offset}",
    )
