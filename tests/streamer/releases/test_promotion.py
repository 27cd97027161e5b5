"""Promotion by hand, on a real broker: verified first, and back the way it came."""

from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from models.release import SavedRelease
from streamer.errors import ReleaseError
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.promotion import promote, roll_back
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, save_tiny_release

pytestmark = pytest.mark.kafka

HOUR_MS = 3_600_000


@pytest.fixture
def settings(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> Settings:
    return Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        releases_topic=f"{topic_prefix}-releases",
        releases_url=str(tmp_path),
    )


@pytest.fixture
async def releases(settings: Settings, tmp_path: Path) -> list[SavedRelease]:
    """Three releases, an hour apart, on the shelf; none is champion."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(settings.releases_topic, 1, 1)])
    await admin.close()
    return [save_tiny_release(tmp_path, created_at_ms=NOON_MS + hour * HOUR_MS) for hour in range(3)]


async def publish(settings: Settings, *releases: SavedRelease) -> None:
    for saved in releases:
        notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
        await move_alias(settings.kafka_bootstrap_servers, settings.releases_topic, notice)


async def champion(settings: Settings) -> ReleaseNotice:
    return (await find_champions(settings.kafka_bootstrap_servers, settings.releases_topic))[-1]


async def test_a_release_of_the_shelf_becomes_champion(settings: Settings, releases: list[SavedRelease]) -> None:
    done = await promote(settings, releases[1].release_id)

    assert (done.release.release_id, done.before) == (releases[1].release_id, None)
    assert await champion(settings) == ReleaseNotice(
        releases[1].release_id, f"file://{releases[1].location}", releases[1].manifest_sha256
    )


async def test_what_is_damaged_is_not_promoted(settings: Settings, releases: list[SavedRelease]) -> None:
    await publish(settings, releases[0])
    damage(releases[1])

    with pytest.raises(ReleaseError, match=r"was not promoted: .*weights\.safetensors has sha256"):
        await promote(settings, releases[1].release_id)
    with pytest.raises(ReleaseError, match="there is no release r7 under"):
        await promote(settings, "r7")

    assert (await champion(settings)).release_id == releases[0].release_id


async def test_what_was_announced_otherwise_is_not_promoted(settings: Settings, releases: list[SavedRelease]) -> None:
    await publish(settings, releases[0]._replace(manifest_sha256="0" * 64))

    with pytest.raises(ReleaseError, match=r"manifest\.json has sha256 \w+, expected 0{64}"):
        await promote(settings, releases[0].release_id)


async def test_each_rollback_goes_one_further_back(settings: Settings, releases: list[SavedRelease]) -> None:
    oldest, middle, newest = releases
    await publish(settings, oldest, middle, newest)

    assert (await roll_back(settings)).release.release_id == middle.release_id
    assert (await roll_back(settings)).release.release_id == oldest.release_id
    with pytest.raises(ReleaseError, match=f"there is no release before {oldest.release_id}"):
        await roll_back(settings)


async def test_without_a_history_the_next_older_one_comes_back(
    settings: Settings, releases: list[SavedRelease]
) -> None:
    await publish(settings, releases[2])

    assert (await roll_back(settings)).release.release_id == releases[1].release_id
    assert (await roll_back(settings)).release.release_id == releases[0].release_id


async def test_what_was_never_champion_is_not_what_was_before(settings: Settings, releases: list[SavedRelease]) -> None:
    await publish(settings, releases[0], releases[2])

    assert (await roll_back(settings)).release.release_id == releases[0].release_id


async def test_what_is_damaged_is_passed_over(settings: Settings, releases: list[SavedRelease]) -> None:
    await publish(settings, *releases)
    damage(releases[1])

    done = await roll_back(settings)

    assert (done.release.release_id, done.before) == (releases[0].release_id, releases[2].release_id)
    assert [each.partition(":")[0] for each in done.passed_over] == [releases[1].release_id]


async def test_without_a_champion_there_is_no_way_back(settings: Settings, releases: list[SavedRelease]) -> None:
    assert releases
    with pytest.raises(ReleaseError, match="no champion to roll back from"):
        await roll_back(settings)


def damage(saved: SavedRelease) -> None:
    Path(saved.location, "weights.safetensors").write_bytes(b"damaged")
