"""A deployment moves to another cluster as docs/operations.md says: states and releases, but not the archive."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.errors import ContractError
from streamer.kafka.connection import connection_of
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.metrics import TrainerMetrics
from streamer.operations.listener_state import look_at_listener
from streamer.operations.offset_reset import reset
from streamer.operations.offset_table import show
from streamer.operations.sending import send_plays
from streamer.operations.shapes import StateShown
from streamer.recordings.columns import ColumnChoice
from streamer.recordings.plays import read_plays
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, play_value, save_tiny_release
from tests.docs.site import ROOT
from tests.docs.snippets import snippets_of
from tests.onkafka import settings_on
from tests.until import until_awaited
from tests.working import working

pytestmark = [pytest.mark.kafka, pytest.mark.long]

PAGE: Final = ROOT / "docs" / "operations.md"
NUM_PARTITIONS: Final = 2
USERS: Final = ("u17", "u18", "u19")


@pytest.fixture
def other_kafka(tmp_path: Path) -> Iterator[DevKafka]:
    """Run the cluster that the deployment moves to."""
    with DevKafka(tmp_path / "kafka") as broker:
        yield broker


def deployed(kafka: DevKafka, prefix: str, directory: Path, name: str) -> Settings:
    return settings_on(
        kafka.bootstrap_servers, prefix, partitions=NUM_PARTITIONS, partitioner="murmur2", device="cpu",
        state_dir=directory / name, releases_url=str(directory / "releases"),
    )  # fmt: skip


def run_script(name: str, *arguments: str) -> None:
    """Run a script of the page."""
    (script,) = [snippet.code for snippet in snippets_of(PAGE) if snippet.code.startswith(f"# {name}")]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True)


async def play(settings: Settings, user: str, *tracks: str | None) -> None:
    """Let a listener play tracks; None forgets them."""
    home = PARTITIONERS["murmur2"](user.encode(), NUM_PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for track in tracks:
            value = track and play_value(user, track, NOON_MS)
            await producer.send_and_wait(settings.plays_topic, value, user.encode(), home)


async def state_of(settings: Settings, user: str) -> StateShown | None:
    (shown,) = (await look_at_listener(settings, user, 30)).partitions
    return shown.state


async def until_seen(settings: Settings, user: str, num_plays: int) -> None:
    async def is_seen() -> bool:
        state = await state_of(settings, user)
        return (state.plays_seen if state else 0) == num_plays

    await until_awaited(is_seen, f"{user} has {num_plays} plays", period_s=0.2)


async def archive_all(settings: Settings, directory: Path) -> int:
    with Archive(directory) as archive:
        archivist = Archivist(connection_of(settings), settings.plays_topic, archive, TrainerMetrics())
        try:
            await archivist.start()
            await archivist.catch_up(asyncio.Event())
        finally:
            await archivist.stop()
        return archive.num_plays


async def test_states_and_releases_move_to_another_cluster_and_the_archive_is_refused(
    kafka: DevKafka, other_kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    old, new = (
        deployed(broker, topic_prefix, tmp_path, name) for broker, name in ((kafka, "old"), (other_kafka, "new"))
    )
    release = save_tiny_release(tmp_path / "releases")
    await ensure_topics(old)
    await move_alias(connection_of(old), old.releases_topic, ReleaseNotice(*release))
    async with working(old):
        for user in USERS:
            await play(old, user, "t1", "t2", "t3")
        await play(old, "u19", None)
        await until_seen(old, "u17", 3)
        await until_seen(old, "u18", 3)
        await until_seen(old, "u19", 0)
    assert await archive_all(old, tmp_path / "archive") == 6

    await ensure_topics(new)  # as a worker does that starts and is stopped
    brokers = (old.kafka_bootstrap_servers, new.kafka_bootstrap_servers)
    topics = (old.changelog_topic, old.releases_topic, old.short_term_topic, old.long_term_topic)
    run_script("copy_topics.py", *brokers, *topics)
    assert "the topic was recreated" in await show(new)
    await reset(new, "earliest")
    async with working(new):
        await play(new, "u17", "t4")
        await play(new, "u19", "t1")
        await until_seen(new, "u17", 4)
        await until_seen(new, "u19", 1)

    moved, kept = await state_of(new, "u17"), await state_of(new, "u18")
    assert moved is not None
    assert kept == await state_of(old, "u18")
    assert (moved.release, len(moved.ring)) == (release.release_id, 4)
    with pytest.raises(ContractError, match="move the archive away"):
        await archive_all(new, tmp_path / "archive")


async def test_lost_states_are_made_again_from_the_archive(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    old, new = (deployed(kafka, f"{topic_prefix}{name}", tmp_path, name) for name in ("old", "new"))
    await ensure_topics(old)
    await play(old, "u17", "t1", "t2", "t3")
    await archive_all(old, tmp_path / "archive")

    recorded = read_plays(tmp_path / "archive", ColumnChoice(time="played_at_ms"))
    await send_plays(new, recorded, lambda _: None)

    async with working(new):
        await until_seen(new, "u17", 3)
