"""Every topic in every codec, and records that nobody can read."""

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.errors import ContractError
from streamer.kafka.connection import connection_of
from streamer.kafka.letters import read_letters, survey_letters
from streamer.kafka.topics import specs
from streamer.local.devkafka import DevKafka
from streamer.metrics import TrainerMetrics
from streamer.releases.alias import find_champions, move_alias
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice
from tests.builders import play_value, save_tiny_release
from tests.cases.observations import Observe
from tests.commands import Command
from tests.onkafka import create_topic, read_committed
from tests.until import until, until_awaited
from tests.working import until_marked, working

pytestmark = [pytest.mark.kafka, pytest.mark.kind(1)]

CODECS = ("gzip", "snappy", "lz4", "zstd")
NUM_PLAYS = 16
NUM_PARTITIONS = 6  # in one fetch some of them come before the damaged one


def environment_of(kafka: DevKafka, prefix: str, directory: Path) -> dict[str, str]:
    """Return the settings of a worker with topics of its own."""
    topics = {f"REFRAIN_{name}_TOPIC": f"{prefix}.{name.lower()}"
              for name in ("PLAYS", "SHORT_TERM", "LONG_TERM", "DEAD_LETTER", "RELEASES", "CATALOGUE")}  # fmt: skip
    return {
        **topics, "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "REFRAIN_APP_ID": prefix,
        "REFRAIN_STATE_DIR": str(directory / "state"), "REFRAIN_RELEASES_URL": str(directory / "releases"),
        "REFRAIN_PARTITIONS": "1", "REFRAIN_ANSWER": "each",
        "REFRAIN_REPLICATION": "1", "REFRAIN_DEVICE": "cpu", "REFRAIN_WEB_PORT": "0",
    }  # fmt: skip


def settings_of(kafka: DevKafka, prefix: str, directory: Path) -> Settings:
    return Settings.from_environment(environment_of(kafka, prefix, directory))


async def create_topics(settings: Settings, configs: Mapping[str, str], partitions: int = 1) -> None:
    await create_topic(settings.kafka_bootstrap_servers, settings.plays_topic, partitions, configs)
    for spec in specs(settings, partitions):
        configs_of_topic = {**spec.configs, **spec.advice, **configs}
        await create_topic(settings.kafka_bootstrap_servers, spec.name, spec.partitions or 1, configs_of_topic)


async def produce_batch(settings: Settings, *values: bytes) -> None:
    """Write plays in one batch: what compresses is compressed."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, linger_ms=200) as producer:
        sent = [await producer.send(settings.plays_topic, value, b"u", partition=0) for value in values]
        await asyncio.gather(*sent)


async def archive_plays(settings: Settings, directory: Path) -> int:
    with Archive(directory) as archive:
        archivist = Archivist(connection_of(settings), settings.plays_topic, archive, TrainerMetrics())
        try:
            await archivist.start()
            await archivist.catch_up(asyncio.Event())
        finally:
            await archivist.stop()
        return archive.num_plays


@pytest.mark.parametrize("codec", CODECS)
async def test_every_topic_may_be_compressed_in_any_codec(
    codec: str, kafka: DevKafka, topic_prefix: str, tmp_path: Path, observe: Observe
) -> None:
    settings = settings_of(kafka, topic_prefix, tmp_path)
    await create_topics(settings, {"compression.type": codec})
    await move_alias(
        kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
    )
    await produce_batch(settings, *(play_value("u", f"t{number % 12}") for number in range(NUM_PLAYS)), b"no play")

    async with working(settings) as answering:
        await until_marked(answering, NUM_PLAYS)
    shutil.rmtree(settings.state_dir)
    await produce_batch(settings, play_value("u", "t1"))
    async with working(settings) as answering:
        await until_marked(answering, NUM_PLAYS + 1)

    answers = await read_committed(kafka.bootstrap_servers, settings.short_term_topic)
    seen = b'"plays_seen":%d' % (NUM_PLAYS + 1)
    assert len(answers) == NUM_PLAYS + 1
    assert seen in (answers[-1].value or b""), "the states were not recovered from the compressed changelog"
    assert len(await find_champions(kafka.connection, settings.releases_topic)) == 1
    assert await archive_plays(settings, tmp_path / "archive") == NUM_PLAYS + 1
    survey = await survey_letters(kafka.connection, settings.dead_letter_topic)
    letters = [letter async for letter in read_letters(kafka.connection, survey)]
    assert [letter.value for letter in letters] == [b"no play"]
    observe(f"{codec} on every topic: {len(answers)} plays answered, the last after a lost disk; 1 letter; archived")


@pytest.mark.slow
async def test_a_damaged_record_stops_its_partition_alone(topic_prefix: str, tmp_path: Path, observe: Observe) -> None:
    with DevKafka(tmp_path / "kafka") as kafka:
        environment = environment_of(kafka, topic_prefix, tmp_path)
        settings = settings_of(kafka, topic_prefix, tmp_path)
        await create_topics(settings, {}, partitions=NUM_PARTITIONS)
        release = ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
        await move_alias(kafka.connection, settings.releases_topic, release)
        await produce_to_all(settings, "t0", "t1", "t2")
        kafka.stop()
        segment = kafka.directory / "topics" / f"{settings.plays_topic}-0" / "00000000000000000000.log"
        whole = segment.read_bytes()
        segment.write_bytes(whole.replace(b'"t2"', b'"T2"'))
        kafka.start()

        with pytest.raises(ContractError, match=r"offset 2 of .*plays-0 cannot be read: Corrupt.*kafka-delete"):
            await archive_plays(settings, tmp_path / "archive")
        worker = Command(environment, "worker")
        try:
            await until(lambda: "-0 cannot be read" in worker.output, "the place is named", deadline_s=60)
            await produce_to_all(settings, "t3")
            for partition in range(1, NUM_PARTITIONS):
                await until_answered(settings, partition=partition, num_answers=4)
            assert worker.is_running
            page = read_page(worker, "readyz")
            kafka.stop()
            segment.write_bytes(whole + segment.read_bytes()[len(whole) :])
            kafka.start()
            await until_answered(settings, partition=0, num_answers=4)
        finally:
            worker.stop()
        ended = await worker.ended()
        answered = [await answered_offsets(settings, partition) for partition in range(NUM_PARTITIONS)]

    assert ended.status == 0
    assert page.startswith(f"ok, but offset 2 of {settings.plays_topic}-0 cannot be read: CorruptRecord")
    assert ended.output.count("cannot be read") == 1
    assert answered == [[0, 1, 2, 3]] * NUM_PARTITIONS, "a play was lost or repeated when the fetch was undone"
    observe(f"a damaged play: {page}".replace(topic_prefix, "t"))
    observe("the plays of the other partitions are answered; once the batch is whole again, this one's too, each once")


async def produce_to_all(settings: Settings, *tracks: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for track in tracks:
            for partition in range(NUM_PARTITIONS):
                user = f"u{partition}"
                await producer.send_and_wait(settings.plays_topic, play_value(user, track), user.encode(), partition)


async def answered_offsets(settings: Settings, partition: int) -> list[int]:
    answers = await read_committed(settings.kafka_bootstrap_servers, settings.short_term_topic, partition)
    return [int(msgspec.json.decode(answer.value or b"")["source_offset"]) for answer in answers]


async def until_answered(settings: Settings, *, partition: int, num_answers: int) -> None:
    async def is_answered() -> bool:
        return len(await answered_offsets(settings, partition)) >= num_answers

    await until_awaited(is_answered, f"{num_answers} plays of partition {partition} are answered", deadline_s=90)


def read_page(worker: Command, page: str) -> str:
    (port,) = re.findall(r"web server started port=(\d+)", worker.output)
    with urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
        return str(answer.read().decode())
