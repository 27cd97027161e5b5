import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
import pytest
import torch

from models.release import SavedRelease
from streamer.kafka.connection import Connection
from streamer.local.devkafka import DevKafka
from streamer.metrics import WorkerMetrics
from streamer.releases.copies import KeptCopies
from streamer.releases.store import Store
from streamer.wire.messages import ReleaseNotice
from streamer.worker.champion import Releases
from streamer.worker.shelf import Shelf
from tests.builders import NOON_MS, save_tiny_release
from tests.cases.observations import Observe
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
        shelf = Shelf(Store(str(self.folder)), torch.device("cpu"), 1 << 20, KeptCopies(self.folder / "copies"))
        releases = Releases(Connection.parse(self.bootstrap_servers), self.topic, shelf, metrics)
        self.started.append(releases)
        await asyncio.wait_for(releases.start(), WITHIN_S)
        return releases, metrics

    def save(self, seed: int) -> SavedRelease:
        return save_tiny_release(self.folder, seed, created_at_ms=NOON_MS + seed)

    async def promote(self, saved: SavedRelease, alias: bytes = b"champion", **changed: str) -> None:
        await produce(self.bootstrap_servers, self.topic, encoded(saved, **changed), key=alias)


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


async def until_counted(metrics: WorkerMetrics, name: str, num: int = 1) -> None:
    await until(lambda: (value(metrics, name) or 0) >= num, f"{name} is {num}", deadline_s=WITHIN_S)


def encoded(saved: SavedRelease, **changed: str) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(ReleaseNotice(*saved), **changed))


@dataclass
class Listener:
    """A server that counts who connects."""

    num_connections: int = 0
    url: str = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._count, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _count(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        writer.close()


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


@pytest.mark.parametrize("damage", ["manifest", "file", "notice", "missing"])
async def test_a_release_that_cannot_be_verified_is_counted_and_the_current_one_stays(
    place: Place, damage: str
) -> None:
    good, bad = place.save(1), place.save(2)
    await place.promote(good)
    releases, metrics = await place.start()

    if damage == "missing":
        shutil.rmtree(bad.location)
    elif damage != "notice":
        victim = Path(bad.location) / {"manifest": "manifest.json", "file": "weights.safetensors"}[damage]
        victim.write_bytes(victim.read_bytes() + b" ")
    await place.promote(bad, manifest_sha256="0" * 64 if damage == "notice" else bad.manifest_sha256)

    await until_counted(metrics, "refrain_release_failures_total")
    assert value(metrics, "refrain_releases_pending") == 1
    assert champion(releases) == good.release_id
    intact = place.save(3)
    await place.promote(intact)
    await until_champion(releases, intact.release_id)
    assert value(metrics, "refrain_releases_pending") == 0


@pytest.mark.kind(10)
async def test_a_notice_that_leads_elsewhere_is_refused_once_and_opens_nothing(
    place: Place, observe: Observe, caplog: pytest.LogCaptureFixture
) -> None:
    good, other = place.save(1), place.save(2)
    await place.promote(good)
    releases, metrics = await place.start()

    async with Listener() as listener:
        notices = [
            b"{}", b"\xff no json", *(encoded(other, **changed) for changed in leading_elsewhere(other, listener.url))
        ]  # fmt: skip
        await produce(place.bootstrap_servers, place.topic, *notices, key=b"champion")
        await until_counted(metrics, "refrain_release_notices_refused_total", len(notices))

    assert listener.num_connections == 0
    assert champion(releases) == good.release_id
    assert value(metrics, "refrain_release_failures_total") == 0
    assert value(metrics, "refrain_releases_pending") == 0
    assert caplog.text.count("notice refused") == len(notices)
    observe(f"{len(notices)} notices that lead elsewhere are refused with a line each; none is opened or tried again")


def leading_elsewhere(saved: SavedRelease, url: str) -> list[dict[str, str]]:
    """Notices that name another place, or none."""
    return [
        {"location": f"{url}/evil"},
        {"location": "file:///etc"},
        {"location": f"{saved.release_id}/../../etc"},
        {"location": f"zip::simplecache::{url}/evil.zip"},
        {"release_id": "../../etc", "location": "../../etc"},
        {"release_id": "%2e%2e%2fetc", "location": "%2e%2e%2fetc"},
        {"release_id": saved.release_id + "/..", "location": saved.release_id + "/.."},
        {"release_id": "\uff12" + saved.release_id[1:], "location": "\uff12" + saved.release_id[1:]},
    ]


@pytest.mark.kind(11)
@pytest.mark.parametrize("absolute", ["s3://bucket/gone", "http://127.0.0.1:1/x", "/mnt/old", "zip::file:///a.zip"])
async def test_a_notice_from_before_the_store_was_moved_is_found_under_its_id(
    place: Place, absolute: str, observe: Observe
) -> None:
    saved = place.save(1)
    await place.promote(saved, location=f"{absolute}/{saved.release_id}")

    releases, metrics = await place.start()

    assert champion(releases) == saved.release_id
    assert value(metrics, "refrain_release_notices_refused_total") == 0
    observe(f"the release announced at {absolute} is found under its id in the store")


async def test_a_worker_starts_with_the_newest_release_that_can_be_taken_up_and_tries_the_others_again(
    place: Place,
) -> None:
    first, second, gone, torn = (place.save(seed) for seed in range(1, 5))
    for saved in (first, second, gone):
        await place.promote(saved)
    shutil.rmtree(gone.location)
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
