"""The product's app and its consumer, not started, and the consumer that Faust would have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faust.transport.drivers.aiokafka import Consumer

from streamer.faust.app import ChunkApp, create_chunk_app, listener_table
from streamer.faust.marks import Marks
from streamer.faust.transport import ChunkConsumer
from streamer.settings import Settings
from tests.integration.contract.places import PLAYS, close


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[ChunkApp]:
    """The product's app, not started; there is no broker at its address."""
    app = create_chunk_app(Settings(state_dir=tmp_path / "state"))
    app.finalize()
    table = listener_table(app, 1)
    app.marks = Marks("127.0.0.1:1", PLAYS.topic, table, fences=None)  # type: ignore[arg-type]  # none is taken here
    app.topic(PLAYS.topic)
    yield app
    if app._consumer is not None:
        close(app._consumer)


@pytest.fixture
async def consumer(app: ChunkApp) -> ChunkConsumer:
    consumer = app.consumer
    assert isinstance(consumer, ChunkConsumer)
    return consumer


@pytest.fixture
async def stock_consumer(app: ChunkApp) -> AsyncIterator[Consumer]:
    async def ignore(*_: object) -> None:
        pass

    consumer = Consumer(
        app.transport, callback=ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore, loop=app.loop
    )
    yield consumer
    close(consumer)
