import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from models.release import SavedRelease
from streamer.kafka.connection import Connection
from streamer.local.devkafka import DevKafka
from streamer.metrics import WorkerMetrics
from streamer.wire.messages import ReleaseNotice
from streamer.worker.champion import Releases
from tests.builders import NOON_MS, save_tiny_release
from tests.onkafka import create_topic, produce
from tests.until import until

pytestmark = pytest.mark.kafka
WITHIN_S = 20


@dataclass
class Place:
    """A topic of releases and a folder of them."""

    bootstrap_servers: str
    topic: str
    folder: Path
    started: list[Releases] = field(default_factory=list)

    async def start(self) -> tuple[Releases, WorkerMetrics]:
        metrics = WorkerMetrics()
        releases = Releases(Connection.parse(self.bootstrap_servers), self.topic, torch.device("cpu"), metrics)
        self.started.append(releases)
        await asyncio.wait_for(releases.start(), WITHIN_S)
        return releases, metrics

    def save(self, seed: int) -> SavedRelease:
        return save_tiny_release(self.folder, seed, created_at_ms=NOON_MS + seed)

    async def promote(self, saved: SavedRelease, alias: bytes = b"champion", **changed: str) -> None:
        notice = msgspec.structs.replace(ReleaseNotice(*saved), **changed)
        await produce(self.bootstrap_servers, self.topic, msgspec.json.encode(notice), key=alias)


@pytest.fixture
async def place(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    topic = f"{topic_prefix}.releases"
    configs = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
    await create_topic(kafka.bootstrap_servers, topic, configs=configs)
    place = Place(kafka.bootstrap_servers, topic, tmp_path)
    yield place
    for releases in place.started:
        await releases.stop()


def champion(releases: Releases) -> str | None:
    return None if releases.champion is None else releases.champion.release.release_id


def value(metrics: WorkerMetrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


async def until_champion(releases: Releases, release_id: str) -> None:
    await until(lambda: champion(releases) == release_id, f"{release_id} is the champion", deadline_s=WITHIN_S)


async def test_before_the_first_notice_there_is_no_champion(place: Place) -> None:
    releases, metrics = await place.start()

    assert releases.champion is None
    assert value(metrics, "refrain_release_failures_total") == 0


async def test_a_worker_starts_with_the_newest_champion(place: Place) -> None:
    for seed in (1, 2):
        saved = place.save(seed)
        await place.promote(saved)

    releases, metrics = await place.start()

    assert champion(releases) == saved.release_id
    assert value(metrics, "refrain_releases_taken_up_total") == 1
    assert value(metrics, "refrain_release_created_timestamp_seconds") == (NOON_MS + 2) / 1000


async def test_a_running_worker_takes_up_a_new_release(place: Place) -> None:
    await place.promote(place.save(1))
    releases, _ = await place.start()
    before = releases.champion
    saved = place.save(2)

    await place.promote(saved)

    await until_champion(releases, saved.release_id)
    assert before is not None
    assert releases.champion is not None
    assert releases.champion.promoted_at_ms > before.promoted_at_ms


async def test_a_rollback_is_taken_up_like_any_other_release(place: Place) -> None:
    first, second = place.save(1), place.save(2)
    await place.promote(first)
    await place.promote(second)
    releases, _ = await place.start()
    assert champion(releases) == second.release_id

    await place.promote(first)

    await until_champion(releases, first.release_id)


async def test_other_aliases_change_nothing(place: Place) -> None:
    saved = place.save(1)
    await place.promote(saved)
    await place.promote(place.save(2), alias=b"challenger")
    releases, _ = await place.start()

    assert champion(releases) == saved.release_id


@pytest.mark.parametrize("damage", ["manifest", "file", "notice", "missing", "junk", "scheme"])
async def test_a_release_that_cannot_be_verified_is_counted_and_the_current_one_stays(
    place: Place, damage: str
) -> None:
    good, bad = place.save(1), place.save(2)
    await place.promote(good)
    releases, metrics = await place.start()

    if damage == "junk":
        await produce(place.bootstrap_servers, place.topic, b"{}", key=b"champion")
    elif damage in ("notice", "missing", "scheme"):
        changed: dict[str, dict[str, Any]] = {
            "notice": {"manifest_sha256": "0" * 64},
            "missing": {"location": str(place.folder / "nowhere")},
            "scheme": {"location": "nosuchscheme://bucket/release"},
        }
        await place.promote(bad, **changed[damage])
    else:
        victim = Path(bad.location) / {"manifest": "manifest.json", "file": "weights.safetensors"}[damage]
        victim.write_bytes(victim.read_bytes() + b" ")
        await place.promote(bad)

    await until(
        lambda: (value(metrics, "refrain_release_failures_total") or 0) >= 1,
        "a failure is counted",
        deadline_s=WITHIN_S,
    )
    assert champion(releases) == good.release_id
    intact = place.save(3)
    await place.promote(intact)
    await until_champion(releases, intact.release_id)


async def test_a_worker_starts_with_the_newest_release_that_can_be_taken_up_and_tries_the_others_again(
    place: Place,
) -> None:
    first, second, torn = place.save(1), place.save(2), place.save(3)
    for saved in (first, second):
        await place.promote(saved)
    await place.promote(first, location=str(place.folder / "nowhere"))
    victim = Path(torn.location) / "weights.safetensors"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:100])
    await place.promote(torn)

    releases, metrics = await place.start()

    assert champion(releases) == second.release_id
    assert value(metrics, "refrain_release_failures_total") == 2
    victim.write_bytes(whole)
    await until_champion(releases, torn.release_id)


async def test_if_no_release_can_be_taken_up_a_worker_does_not_start(place: Place) -> None:
    saved = place.save(1)
    await place.promote(saved, location=str(place.folder / "nowhere"))

    starting = asyncio.create_task(place.start())
    assert not (await asyncio.wait({starting}, timeout=0.5))[0]

    await place.promote(saved)
    releases, _ = await starting
    assert champion(releases) == saved.release_id


async def test_a_wait_for_a_newer_release_ends_when_it_is_taken_up(place: Place) -> None:
    await place.promote(place.save(1))
    releases, _ = await place.start()
    assert releases.champion is not None
    known_ms = releases.champion.promoted_at_ms
    assert await asyncio.wait_for(releases.wait_for(known_ms), WITHIN_S) is releases.champion

    waiting = asyncio.create_task(releases.wait_for(known_ms + 1))
    assert not (await asyncio.wait({waiting}, timeout=0.05))[0]
    saved = place.save(2)
    await place.promote(saved)

    newer = await asyncio.wait_for(waiting, WITHIN_S)
    assert newer is not None
    assert newer.release.release_id == saved.release_id
