"""What `streamer.faust` relies on in Faust and aiokafka, checked on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced
from faust.types import TP

from streamer.faust.app import ChunkApp, create_chunk_app, listener_table
from streamer.faust.marks import Marks
from streamer.faust.stream import consume
from streamer.kafka.chunk import Chunk
from streamer.kafka.connection import connection_of
from streamer.kafka.fences import Fences
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.until import until_awaited

pytestmark = pytest.mark.kafka

PATIENCE_S = 60.0


@pytest.fixture
async def settings(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Settings:
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        app_id=topic_prefix,
        state_dir=tmp_path / "state",
        plays_topic=f"{topic_prefix}-plays",
        short_term_topic=f"{topic_prefix}-short-term",
        long_term_topic=f"{topic_prefix}-long-term",
        dead_letter_topic=f"{topic_prefix}-dead-letter",
        releases_topic=f"{topic_prefix}-releases",
        catalogue_topic=f"{topic_prefix}-catalogue",
        partitions=2,
    )
    await ensure_topics(settings)
    return settings


@contextlib.asynccontextmanager
async def fence(settings: Settings, partition: int = 0) -> AsyncIterator[AIOKafkaProducer]:
    """Take a partition's fence as a worker does."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=f"{settings.app_id}-{partition}"
    )
    await producer.start()
    try:
        yield producer
    finally:
        with contextlib.suppress(ProducerFenced):
            await producer.stop()


@contextlib.asynccontextmanager
async def reader(settings: Settings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Read partition 0 as the product's recovery does: with an isolation level set after construction."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False)
    consumer._isolation_level = "read_committed"
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        yield consumer
    finally:
        await consumer.stop()


async def test_a_changelog_ends_after_its_last_record_and_the_position_gets_there(settings: Settings) -> None:
    partition = TopicPartition(settings.changelog_topic, 0)
    async with fence(settings) as producer, producer.transaction():
        await producer.send(partition.topic, b"state", b"key", partition=0)
    async with fence(settings):
        pass  # the coordinator confirms a commit before its markers are in the topic, but gives a fence only after

    async with reader(settings, partition.topic) as consumer:
        end = (await consumer.end_offsets([partition]))[partition]
        fetched = (await consumer.getmany(partition, timeout_ms=10_000))[partition]

        async def has_come_to_the_end() -> bool:
            await consumer.getmany(partition, timeout_ms=100)
            return bool(await consumer.position(partition) >= end)

        await until_awaited(has_come_to_the_end, f"the position is {end}", deadline_s=PATIENCE_S)
        position = await consumer.position(partition)

    assert ([record.offset for record in fetched], end) == ([0], 2), "position chunks are no longer needed"
    assert position == end, "recovery would wait forever for a record at the marker's offset"


async def test_an_isolation_level_set_before_the_start_is_honoured(settings: Settings) -> None:
    partition = TopicPartition(settings.changelog_topic, 0)
    async with fence(settings) as producer:
        with contextlib.suppress(RuntimeError):
            async with producer.transaction():
                await producer.send_and_wait(partition.topic, b"aborted", b"key", partition=0)
                raise RuntimeError("the worker changed its mind")
        async with producer.transaction():
            await producer.send_and_wait(partition.topic, b"committed", b"key", partition=0)
        await producer.begin_transaction()
        open_record = await producer.send_and_wait(partition.topic, b"open", b"key", partition=0)

        async with reader(settings, partition.topic) as consumer:
            end = (await consumer.end_offsets([partition]))[partition]
            fetched = (await consumer.getmany(partition, timeout_ms=10_000))[partition]
        await producer.abort_transaction()

    assert [record.value for record in fetched] == [b"committed"], "recovery would apply aborted batches"
    assert end == open_record.offset, "recovery would wait for records that a reader of committed ones never gets"


async def test_a_fence_is_taken_once_its_producer_has_started(settings: Settings) -> None:
    async with fence(settings) as former:
        await former.begin_transaction()
        await former.send_and_wait(settings.changelog_topic, b"left open", b"key", partition=0)

        async with fence(settings), reader(settings, settings.changelog_topic) as consumer:
            partition = TopicPartition(settings.changelog_topic, 0)
            end = (await consumer.end_offsets([partition]))[partition]

            with pytest.raises(ProducerFenced):
                await former.commit_transaction()

    assert end == 2, (
        "a transaction left open is aborted, and its marker written, before start() returns: recovery, which "
        "requests the end right after, would otherwise miss what follows"
    )


class WatchedFences(Fences):
    """Fences that note Faust's state when they are taken."""

    def __init__(self, settings: Settings, app: ChunkApp) -> None:
        super().__init__(connection_of(settings), settings.app_id, settings.transaction_timeout_s)
        self._app = app
        self.seen: list[dict[str, object]] = []

    async def take(self, partitions: object) -> None:
        app = self._app
        self.seen.append(
            {
                "partitions": sorted(partitions),  # type: ignore[call-overload]  # as the base class has it
                "rebalancing": app.rebalancing,
                "is_recovery_requested": app.tables.recovery.signal_recovery_start.is_set() or app.in_recovery,
                "generation": app.consumer_generation_id,
            }
        )
        await super().take(self.seen[-1]["partitions"])  # type: ignore[arg-type]  # a list of ints


async def test_an_assignment_takes_the_fences_then_recovers_then_yields_chunks(settings: Settings) -> None:
    app = create_chunk_app(settings)
    table = listener_table(app, 2)
    fences = WatchedFences(settings, app)
    app.marks = Marks(connection_of(settings), settings.plays_topic, table, fences)
    chunks: asyncio.Queue[tuple[Chunk, dict[str, object]]] = asyncio.Queue()

    async def answer(stream: AsyncIterator[Chunk]) -> None:
        async for chunk in stream:
            flags = {"rebalancing": app.rebalancing, "in_recovery": app.in_recovery}
            await chunks.put((chunk, flags | {"generation": app.consumer_generation_id}))

    consume(app, settings.plays_topic, answer)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, linger_ms=50) as producer:
        for value in (b"a", b"b", b"c"):
            await producer.send(settings.plays_topic, value, b"key", partition=1)
        await producer.flush()
    await app.start()
    try:
        chunk, flags = await asyncio.wait_for(chunks.get(), PATIENCE_S)
        tp = TP(settings.plays_topic, 1)
        before = app.consumer._new_offset(tp)
        await chunk.acknowledge()
        await app.consumer.commit()
        committed = app.consumer._committed_offset[tp]
    finally:
        await app.stop()
        await fences.drop()

    assert fences.seen == [
        {"partitions": [0, 1], "rebalancing": True, "is_recovery_requested": False, "generation": 1}
    ], "a partition's former owner could still commit while its states are recovered"
    assert flags == {"rebalancing": False, "in_recovery": False, "generation": 1}, "plays came before their states"
    assert (chunk.partition, [record.value for record in chunk.records]) == (1, [b"a", b"b", b"c"]), (
        "an agent receives the records of a chunk, in order, as the value of one event"
    )
    assert (before, committed) == (None, 3), "only acknowledged chunks are committed, each after its last record"
