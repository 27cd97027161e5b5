"""Every topic in every codec, and records that nobody can read."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

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
from tests.commands import run_command
from tests.onkafka import create_topic, produce, read_committed
from tests.working import until_marked, working

pytestmark = [pytest.mark.kafka, pytest.mark.kind(1)]

CODECS = ("gzip", "snappy", "lz4", "zstd")
NUM_PLAYS = 16


def environment_of(kafka: DevKafka, prefix: str, directory: Path) -> dict[str, str]:
    """Return the settings of a worker with topics of its own."""
    topics = {f"REFRAIN_{name}_TOPIC": f"{prefix}.{name.lower()}"
              for name in ("PLAYS", "SHORT_TERM", "LONG_TERM", "DEAD_LETTER", "RELEASES")}  # fmt: skip
    return {
        **topics, "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "REFRAIN_APP_ID": prefix,
        "REFRAIN_STATE_DIR": str(directory / "state"), "REFRAIN_RELEASES_URL": str(directory / "releases"),
        "REFRAIN_PARTITIONS": "1", "REFRAIN_ANSWER": "each",
        "REFRAIN_REPLICATION": "1", "REFRAIN_DEVICE": "cpu", "REFRAIN_WEB_PORT": "0",
    }  # fmt: skip


def settings_of(kafka: DevKafka, prefix: str, directory: Path) -> Settings:
    return Settings.from_environment(environment_of(kafka, prefix, directory))


async def create_topics(settings: Settings, configs: Mapping[str, str]) -> None:
    await create_topic(settings.kafka_bootstrap_servers, settings.plays_topic, configs=dict(configs))
    for spec in specs(settings, 1):
        await create_topic(settings.kafka_bootstrap_servers, spec.name, 1, {**spec.configs, **spec.erasure, **configs})


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


async def test_a_damaged_record_is_refused_with_its_place(topic_prefix: str, tmp_path: Path, observe: Observe) -> None:
    with DevKafka(tmp_path / "kafka") as kafka:
        settings = settings_of(kafka, topic_prefix, tmp_path)
        await create_topics(settings, {})
        release = ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
        await move_alias(kafka.connection, settings.releases_topic, release)
        for number in range(3):
            await produce(kafka.bootstrap_servers, settings.plays_topic, play_value("u", f"t{number}"))
        kafka.stop()
        damage(kafka.directory / "topics" / f"{settings.plays_topic}-0" / "00000000000000000000.log", b'"t2"')
        kafka.start()

        worker = await run_command(environment_of(kafka, topic_prefix, tmp_path), "worker")
        with pytest.raises(ContractError, match=r"offset 2 of .*plays-0 cannot be read: Corrupt.*kafka-delete"):
            await archive_plays(settings, tmp_path / "archive")

    assert (worker.status, "Traceback" in worker.output) == (3, False)
    assert f"offset 2 of {settings.plays_topic}-0 cannot be read" in worker.last_line
    observe(
        f"a damaged play ends a worker with 3: {worker.last_line[worker.last_line.index('offset') :]}".replace(
            topic_prefix, "t"
        )
    )


def damage(segment: Path, place: bytes) -> None:
    written = segment.read_bytes()
    segment.write_bytes(written.replace(place, place.upper()))
