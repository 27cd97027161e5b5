"""The archivist, on a real broker: each play once, in order, despite interruptions."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.errors import ContractError
from streamer.local.devkafka import DevKafka
from streamer.metrics import TrainerMetrics

pytestmark = pytest.mark.kafka

NOW_MS = 1_700_000_000_000  # long ago: a broker rejects timestamps ahead of its clock


async def create_topic(kafka: DevKafka, name: str, partitions: int = 2) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1, topic_configs={"retention.ms": "-1"})])
    await admin.close()


@asynccontextmanager
async def producing(kafka: DevKafka, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=transactional_id)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def play(producer: AIOKafkaProducer, topic: str, user: str, track: str | None, partition: int = 0) -> None:
    """Produce a play; track None: a tombstone."""
    value = json.dumps({"user_id": user, "track_id": track, "played_at": NOW_MS}).encode() if track else None
    await producer.send_and_wait(topic, value, user.encode(), partition, NOW_MS)


async def archive_all(
    kafka: DevKafka, topic: str, archive: Archive, metrics: TrainerMetrics | None = None
) -> list[tuple[str, str]]:
    archivist = Archivist(kafka.connection, topic, archive, metrics or TrainerMetrics())
    try:
        await archivist.start()
        await archivist.catch_up(asyncio.Event())
    finally:
        await archivist.stop()
    return read_pairs(archive)


def read_pairs(archive: Archive) -> list[tuple[str, str]]:
    plays = archive.read_newest(10**6)
    return [
        (plays.user_ids[user], plays.track_ids[track]) for user, track in zip(plays.users, plays.tracks, strict=True)
    ]


async def test_each_run_continues_where_the_last_ended(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    await create_topic(kafka, topic_prefix)

    async with producing(kafka) as producer:
        await play(producer, topic_prefix, "ann", "t1")
        with Archive(tmp_path) as archive:
            assert await archive_all(kafka, topic_prefix, archive) == [("ann", "t1")]
        await play(producer, topic_prefix, "ann", "t2")
        await play(producer, topic_prefix, "bob", "t3", partition=1)

    with Archive(tmp_path) as archive:
        assert sorted(await archive_all(kafka, topic_prefix, archive)) == [("ann", "t1"), ("ann", "t2"), ("bob", "t3")]
        assert sorted(await archive_all(kafka, topic_prefix, archive)) == [("ann", "t1"), ("ann", "t2"), ("bob", "t3")]


async def test_bad_plays_are_skipped(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    await create_topic(kafka, topic_prefix)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topic_prefix, b"not json", b"ann", 0, NOW_MS)
        await play(producer, topic_prefix, "ann", "t1")
    metrics = TrainerMetrics()

    with Archive(tmp_path) as archive:
        assert await archive_all(kafka, topic_prefix, archive, metrics) == [("ann", "t1")]

    assert metrics.registry.get_sample_value("refrain_plays_not_archived_total") == 1
    assert metrics.registry.get_sample_value("refrain_plays_archived_total") == 1
    assert metrics.registry.get_sample_value("refrain_archive_lag_records") == 0
    assert time.time() - (metrics.registry.get_sample_value("refrain_archived_until_timestamp_seconds") or 0) < 60


async def test_a_tombstone_drops_the_plays_before_it(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    await create_topic(kafka, topic_prefix)
    async with producing(kafka) as producer:
        await play(producer, topic_prefix, "ann", "archived")
        await play(producer, topic_prefix, "bob", "t1")
        with Archive(tmp_path) as archive:
            await archive_all(kafka, topic_prefix, archive)
        await play(producer, topic_prefix, "ann", "before")
        await play(producer, topic_prefix, "ann", None)
        await play(producer, topic_prefix, "ann", "after")

    with Archive(tmp_path) as archive:
        assert await archive_all(kafka, topic_prefix, archive) == [("bob", "t1"), ("ann", "after")]


async def test_aborted_plays_are_not_archived_and_markers_do_not_stall(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topic(kafka, topic_prefix)
    async with producing(kafka, transactional_id=topic_prefix) as producer:
        async with producer.transaction():
            await play(producer, topic_prefix, "ann", "kept")
        await producer.begin_transaction()
        await play(producer, topic_prefix, "ann", "aborted")
        await producer.abort_transaction()

    with Archive(tmp_path) as archive:
        assert await asyncio.wait_for(archive_all(kafka, topic_prefix, archive), 30) == [("ann", "kept")]
        assert archive.next_offsets == {0: 4}, "markers that expire would be counted as lost plays"


async def test_plays_lost_to_retention_are_reported(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    await create_topic(kafka, topic_prefix, partitions=1)
    async with producing(kafka) as producer:
        await play(producer, topic_prefix, "ann", "t0")
        with Archive(tmp_path) as archive:
            await archive_all(kafka, topic_prefix, archive)
        for track in ("t1", "t2", "t3"):
            await play(producer, topic_prefix, "ann", track)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(topic_prefix, 0): RecordsToDelete(before_offset=3)})
    await admin.close()
    metrics = TrainerMetrics()

    with Archive(tmp_path) as archive:
        assert await archive_all(kafka, topic_prefix, archive, metrics) == [("ann", "t0"), ("ann", "t3")]

    assert metrics.registry.get_sample_value("refrain_records_lost_to_retention_total") == 2


async def test_a_topic_other_than_the_archived_one_is_rejected(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topic(kafka, topic_prefix)
    async with producing(kafka) as producer:
        await play(producer, topic_prefix, "ann", "t1", partition=1)
    await create_topic(kafka, f"{topic_prefix}-empty", partitions=2)
    await create_topic(kafka, f"{topic_prefix}-narrow", partitions=1)

    with Archive(tmp_path) as archive:
        await archive_all(kafka, topic_prefix, archive)

        with pytest.raises(ContractError, match="recreated"):
            await archive_all(kafka, f"{topic_prefix}-empty", archive)
        with pytest.raises(ContractError, match="partition 1"):
            await archive_all(kafka, f"{topic_prefix}-narrow", archive)
        with pytest.raises(ContractError, match="there is no topic"):
            await archive_all(kafka, f"{topic_prefix}-absent", archive)


async def test_following_ends_with_a_request_to_stop(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    await create_topic(kafka, topic_prefix)
    stopping = asyncio.Event()
    with Archive(tmp_path) as archive:
        archivist = Archivist(kafka.connection, topic_prefix, archive, TrainerMetrics())
        await archivist.start()
        following = asyncio.create_task(archivist.follow(3600, stopping))
        async with producing(kafka) as producer:
            await play(producer, topic_prefix, "ann", "t1")

        stopping.set()
        await asyncio.wait_for(following, 30)
        await archivist.stop()
