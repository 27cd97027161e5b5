"""Tracks that are withdrawn while a worker runs, on a real Kafka."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from models.plays.catalogue import track_key
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import connection_of
from streamer.kafka.follower import Follower
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.metrics import WorkerMetrics
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.catalogue import CAUSES
from streamer.wire.messages import ReleaseNotice
from streamer.worker.pipeline import Answering
from streamer.worker.withdrawals import MAX_RECORDS, Withdrawals
from tests.builders import play_value, save_tiny_release
from tests.onkafka import create_topic, produce, read_committed, settings_on
from tests.until import until, until_awaited
from tests.working import until_marked, working

WITHIN_S = 30


async def write(settings: Settings, entries: Mapping[str, bytes | None], partition: int = 0) -> None:
    """Write to the catalogue, in order."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for track_id, value in entries.items():
            await producer.send_and_wait(settings.catalogue_topic, value, track_id.encode(), partition)


def keys_of(*track_ids: str) -> set[int]:
    return {track_key(each) for each in track_ids}


async def until_withdrawn(withdrawals: Withdrawals, *track_ids: str) -> None:
    wanted = keys_of(*track_ids)
    await until(lambda: set(withdrawals.keys.tolist()) == wanted, f"{wanted} are withdrawn", deadline_s=WITHIN_S)


@pytest.fixture
async def settings(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Settings:
    settings = settings_on(
        kafka.bootstrap_servers, topic_prefix, state_dir=tmp_path / "state", releases_url=str(tmp_path / "releases"),
        partitions=1, replication=1, device="cpu", answer="each", short_term_size=3, long_term_size=4,
    )  # fmt: skip
    await ensure_topics(settings)
    return settings


@asynccontextmanager
async def following(settings: Settings, metrics: WorkerMetrics) -> AsyncIterator[Withdrawals]:
    follower = Follower(connection_of(settings), settings.catalogue_topic, max_records=MAX_RECORDS, check_s=0.5)
    withdrawals = Withdrawals(follower, settings.catalogue_topic, metrics)
    await withdrawals.start()
    try:
        yield withdrawals
    finally:
        await withdrawals.stop()


@pytest.mark.kafka
async def test_a_withdrawn_track_leaves_both_lists_with_the_next_answer_and_returns_with_its_record(
    kafka: DevKafka, settings: Settings, tmp_path: Path
) -> None:
    notice = ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
    await move_alias(kafka.connection, settings.releases_topic, notice)
    answers: list[dict[str, list[str]]] = []

    async def answer(answering: Answering) -> None:
        number = len(answers)
        await produce(kafka.bootstrap_servers, settings.plays_topic, play_value("u", "t1"))
        await until_marked(answering, number)
        answers.append(await newest_lists(settings))

    async with working(settings) as answering:
        await answer(answering)
        best = answers[0]["long-term"][0]
        await write(settings, {best: None, "never heard of": None})
        await until_withdrawn(answering.withdrawals, best, "never heard of")
        await answer(answering)
    async with working(settings) as answering:  # another process, which reads the tombstone from the topic
        await answer(answering)
        await write(settings, {best: b'{"title": "Back"}'})
        await until_withdrawn(answering.withdrawals, "never heard of")
        await answer(answering)

    first, without, again, back = answers
    for horizon, size in (("short-term", 3), ("long-term", 4)):
        assert best not in without[horizon]
        assert best not in again[horizon]
        assert best in back[horizon] or best not in first[horizon]
        assert {len(each[horizon]) for each in answers} == {size}


async def newest_lists(settings: Settings) -> dict[str, list[str]]:
    topics = {"short-term": settings.short_term_topic, "long-term": settings.long_term_topic}
    lists = {}
    for horizon, topic in topics.items():
        record = (await read_committed(settings.kafka_bootstrap_servers, topic))[-1]
        answer: dict[str, Any] = msgspec.json.decode(record.value or b"")
        lists[horizon] = [track["track_id"] for track in answer["tracks"]]
    return lists


@pytest.mark.kafka
async def test_a_bad_record_is_counted_logged_once_and_returns_its_track(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = WorkerMetrics(entry_causes=CAUSES)
    await write(settings, {"t1": None, "t2": None})

    async with following(settings, metrics) as withdrawals:
        await until_withdrawn(withdrawals, "t1", "t2")
        await write(settings, {"t1": b"no JSON", "t3": b"nor this", "t4": None})
        await until_withdrawn(withdrawals, "t2", "t4")

    value = metrics.registry.get_sample_value
    assert value("refrain_catalogue_records_refused_total", {"cause": "not-json"}) == 2
    assert value("refrain_catalogue_records_total") == 5
    assert value("refrain_tracks_withdrawn") == 2
    assert sum("catalogue record refused" in message for message in caplog.messages) == 1


@pytest.mark.kafka
async def test_every_partition_of_somebody_elses_topic_is_read_to_its_end_before_the_first_answer(
    kafka: DevKafka, settings: Settings, topic_prefix: str
) -> None:
    foreign = settings.model_copy(update={"catalogue_topic": f"{topic_prefix}.foreign"})
    await create_topic(kafka.bootstrap_servers, foreign.catalogue_topic, 3, {"cleanup.policy": "compact"})
    for number in range(3):
        await write(foreign, {f"t{number}": None}, partition=number)
        await write(foreign, {f"x{track}": b"{}" for track in range(20)}, partition=number)

    async with following(foreign, WorkerMetrics()) as withdrawals:
        assert set(withdrawals.keys.tolist()) == keys_of("t0", "t1", "t2")


@pytest.mark.kafka
async def test_a_track_in_several_partitions_is_what_its_newest_record_says(
    kafka: DevKafka, settings: Settings, topic_prefix: str
) -> None:
    foreign = settings.model_copy(update={"catalogue_topic": f"{topic_prefix}.foreign"})
    await create_topic(kafka.bootstrap_servers, foreign.catalogue_topic, 2, {"cleanup.policy": "compact"})
    for number, entries in ((0, {"back": None}), (1, {"gone": b"{}"}), (0, {"gone": None}), (1, {"back": b"{}"})):
        await write(foreign, entries, partition=number)

    async with following(foreign, WorkerMetrics()) as withdrawals:
        assert set(withdrawals.keys.tolist()) == keys_of("gone")


@pytest.mark.kafka
async def test_a_topic_that_is_recreated_while_a_worker_runs_is_read_again(kafka: DevKafka, settings: Settings) -> None:
    await write(settings, {"t1": None, "t2": None})

    async with following(settings, WorkerMetrics()) as withdrawals:
        await until_withdrawn(withdrawals, "t1", "t2")
        await recreate(kafka, settings.catalogue_topic)
        await write(settings, {"t2": None, "t3": None, "t4": b"{}"})  # as many, so that no offset is out of range
        await until_withdrawn(withdrawals, "t2", "t3")


async def recreate(kafka: DevKafka, topic: str) -> None:
    async with KafkaAdmin(kafka.connection) as admin:
        before = await admin.find_identity(topic)
        await admin.delete_topics([topic])
        await until_awaited(lambda: is_gone(admin, topic), f"{topic} is deleted")
        await create_topic(kafka.bootstrap_servers, topic, 1, {"cleanup.policy": "compact"})
        assert await admin.find_identity(topic) not in (before, None)


async def is_gone(admin: KafkaAdmin, topic: str) -> bool:
    return await admin.find_identity(topic) is None
