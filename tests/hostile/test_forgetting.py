"""A listener is forgotten, and nothing on any disk remembers them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.plays.catalogue import track_keys
from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.kafka.connection import connection_of
from streamer.kafka.erasure import Eraser
from streamer.kafka.topics import specs
from streamer.local.devkafka import DevKafka
from streamer.metrics import TrainerMetrics
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.training.checkpoints import CheckpointFile
from streamer.training.dataset import read_archive
from streamer.training.shards import forgetting, shards_directory, shards_root
from streamer.wire.messages import ReleaseNotice
from tests.builders import play_value, save_tiny_release
from tests.cases.observations import Observe
from tests.onkafka import create_topic, produce, read_committed
from tests.until import until, until_awaited
from tests.working import until_marked, working

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.kind(22), pytest.mark.timeout(300)]

USER = "listener-of-secrets"

#: Kafka compacts within seconds what takes a day otherwise.
AT_ONCE = {
    "max.compaction.lag.ms": "500", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "100",
    "file.delete.delay.ms": "100", "segment.ms": "500",
}  # fmt: skip


def settings_of(kafka: DevKafka, directory: Path) -> Settings:
    return Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers, app_id="forgets", partitions=1, replication=1, device="cpu",
        state_dir=directory / "state", archive_dir=directory / "archive", releases_url=str(directory / "releases"),
    )  # fmt: skip


async def create_topics(settings: Settings) -> None:
    at = settings.kafka_bootstrap_servers
    await create_topic(at, settings.plays_topic)
    for spec in specs(settings, 1):
        fast = {name: text for name, text in AT_ONCE.items() if name not in spec.configs}
        await create_topic(at, spec.name, 1, {**spec.configs, **spec.advice, **fast})


async def archive_plays(settings: Settings) -> None:
    """Archive what is on the topic, as a trainer does."""

    def forget(user_ids: object) -> object:
        return forgetting(shards_root(settings.archive_dir), user_ids)  # type: ignore[arg-type]

    with Archive(settings.archive_dir) as archive:
        metrics = TrainerMetrics()
        archivist = Archivist(connection_of(settings), settings.plays_topic, archive, metrics, forget)  # type: ignore[arg-type]
        try:
            await archivist.start()
            await archivist.catch_up(asyncio.Event())
        finally:
            await archivist.stop()


def traces(directories: Mapping[str, Path]) -> list[str]:
    """Name the directories with a file that holds the user id, or the hash by which shards know the listener."""
    spellings = (USER.encode(), track_keys([USER]).tobytes())
    return [
        name
        for name, directory in directories.items()
        for path in directory.rglob("*")
        if path.is_file() and any(each in path.read_bytes() for each in spellings)
    ]


def in_stores(state_dir: Path) -> list[Path]:
    """Return the files of stores that hold the user id."""
    return [path for path in state_dir.rglob("*.sst") if path.exists() and USER.encode() in path.read_bytes()]


async def test_a_forgotten_listener_leaves_no_byte_on_any_disk(tmp_path: Path, observe: Observe) -> None:
    broker_config = {"log.cleaner.backoff.ms": 200, "log.cleaner.min.compaction.lag.ms": 0}
    with DevKafka(tmp_path / "kafka", broker_config=broker_config) as kafka:
        settings = settings_of(kafka, tmp_path)
        at, plays = settings.kafka_bootstrap_servers, settings.plays_topic
        await create_topics(settings)
        release = ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
        await move_alias(kafka.connection, settings.releases_topic, release)
        checkpoint = CheckpointFile(
            tmp_path / "fit", shards_directory=shards_directory(settings.archive_dir, tmp_path / "fit")
        )
        directories = {
            topic: next((tmp_path / "kafka").rglob(f"{topic}-0"))
            for topic in (settings.dead_letter_topic, settings.short_term_topic, settings.long_term_topic)
        } | {"archive and shards": settings.archive_dir}

        async with working(settings) as answering:
            await produce(at, plays, *(play_value(USER, f"t{n}") for n in range(5)), b"{", key=USER.encode())
            await produce(at, plays, play_value(USER, "t1"), key=b"other")
            await produce(at, plays, b"csv," + USER.encode() + b",t1", key=None)
            await produce(at, plays, *(play_value("other", f"t{n}") for n in range(4)), key=b"other")
            await until_marked(answering, 11)
            await archive_plays(settings)
            read_archive(settings.archive_dir, checkpoint, signals=[])
            answering.table.store._dbs[0].flush()
            remembered = traces(directories)

            await produce(at, plays, None, key=USER.encode())  # type: ignore[arg-type]
            await until_marked(answering, 12)
            await archive_plays(settings)
            erasure = await Eraser(kafka.connection, settings.dead_letter_topic).erase()

            async def are_clean() -> bool:
                await produce(at, plays, play_value("other", "t2"), b"{", key=b"other")  # closes segments
                return not traces(directories)

            await until_awaited(are_clean, "no byte remembers the listener", deadline_s=120, period_s=1)
            changelog = await read_committed(at, settings.changelog_topic, 0)
            answering.table.store._dbs[0].flush()
            await until(lambda: not in_stores(settings.state_dir), "RocksDB has compacted the deletion", deadline_s=30)

    assert sorted(set(remembered)) == sorted(directories)
    assert (erasure.num_requests, erasure.num_letters) == (1, 3)
    assert {record.value for record in changelog if USER.encode() in (record.key or b"")} <= {None}, "compacted away"
    observe("letters, answers, archive, shards and states held a listener; once forgotten, no file holds id or hash")
