"""Disks that are lost, restored from old copies, damaged, full or read-only: states are rebuilt, nothing is lost."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from streamer.runtime.statuses import Status
from streamer.wire.changelog import listener_key
from tests.faults import disks
from tests.faults.cleaning import A_WEEK_MS, AT_ONCE_MS, clean, feed_until_cleaned
from tests.faults.conftest import TinyRelease
from tests.faults.disks import DAMAGES, FailingDisk, SmallDisk, SmallWriteBuffers, damage_last_file, put_back, stores
from tests.faults.harness import Deployment, load, start
from tests.faults.load import NUM_PARTITIONS, Event
from tests.faults.process import WorkerProcess
from tests.faults.sabotage import Act, Sabotage
from tests.faults.supervisor import supervised
from tests.faults.verdict import judge

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]

READ_ONLY: Final = "the file system is read-only; find out why, and mount it writable"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Put the states of worker a on a disk that fills up; request it before the deployment."""
    yield from disks.small_disk(tmp_path / "state-a")


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[FailingDisk]:
    """Put the states of worker a on a disk that fails; request it before the deployment."""
    yield from disks.failing_disk(tmp_path / "state-a")


async def finish(deployment: Deployment, release: TinyRelease) -> None:
    """Put the running workers under load once more, stop all cleanly, and judge."""
    await load(deployment, 300)
    await deployment.all_done()
    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [release.release])


async def test_disks_wiped_again_and_again(
    deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)
    workers = {worker.name: worker for worker in await start(deployment, "a", "b")}

    for names in ("a", "b", "ab", "b", "a", "ab"):
        await load(deployment, rng.randint(100, 500))
        for name in names:
            workers[name].kill()
            deployment.wipe(name)
        workers |= {worker.name: worker for worker in await start(deployment, *names)}

    await finish(deployment, first_release)


@pytest.mark.quick
async def test_an_old_copy_of_a_disk_is_rolled_forward(
    deployment: Deployment, first_release: TinyRelease, tmp_path: Path
) -> None:
    await deployment.announce(first_release.saved)
    (worker, _), copy = await start(deployment, "a", "b"), tmp_path / "copy"

    await load(deployment, 400)
    assert await worker.stop() == 0
    shutil.copytree(deployment.state_dir("a"), copy)
    for _ in range(3):  # the copy is older each time
        (worker,) = await start(deployment, "a")
        await load(deployment, 400)
        worker.kill()
        put_back(copy, deployment.state_dir("a"))
    (worker,) = await start(deployment, "a")

    assert "store discarded" not in worker.log
    await finish(deployment, first_release)


async def test_a_copy_older_than_the_tombstones_brings_no_listener_back(
    cleaned_deployment: Deployment, first_release: TinyRelease, tmp_path: Path
) -> None:
    deployment, copy = cleaned_deployment, tmp_path / "copy"
    await deployment.announce(first_release.saved)
    (worker,) = await start(deployment, "a")
    await load(deployment, 600)
    await deployment.all_done()
    assert await worker.stop() == 0
    shutil.copytree(deployment.state_dir("a"), copy)

    (worker,) = await start(deployment, "a")
    forgotten = forget_one(deployment)
    await clean(deployment, delete_retention_ms=AT_ONCE_MS)
    await feed_until_cleaned(
        deployment, lambda records: forgotten not in {record.key for record in records}, "the tombstone is gone"
    )
    await clean(deployment, delete_retention_ms=A_WEEK_MS)
    worker.kill()
    put_back(copy, deployment.state_dir("a"))
    disks.make_too_old(deployment.state_dir("a"))
    (worker,) = await start(deployment, "a")

    assert worker.log.count("store discarded") == len(stores(copy))
    await finish(deployment, first_release)


def forget_one(deployment: Deployment) -> bytes:
    """Forget a remembered listener next, and let it never play again; return the key of the tombstone."""
    last = {event.key: event for events in deployment.sent.values() for _, event in sorted(events.items())}
    user, event = next((user, event) for user, event in last.items() if user is not None and event.is_play)
    others = filter(lambda event: event.key != user, deployment.events)
    deployment.events = itertools.chain([Event(event.partition, user, None)], others)
    return listener_key(user)


@pytest.mark.parametrize("kind", ["*.sst", "MANIFEST-*", "CURRENT"])
async def test_the_last_file_of_each_store_damaged(
    kind: str, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    await start(deployment, "a")

    for damage in DAMAGES:
        await load(deployment, 400)
        await deployment.all_done()
        await deployment.stop_all()
        for store in stores(deployment.state_dir("a")):
            damage_last_file(store, kind, damage)
        async with supervised(deployment, "a"):  # damage that only reading reveals ends it, one store at a time
            await load(deployment, 400)
            await deployment.all_done()

    assert num_discarded(deployment) >= NUM_PARTITIONS
    await finish(deployment, first_release)


def num_discarded(deployment: Deployment) -> int:
    """Count the stores that were found damaged on opening or on reading."""
    messages = ("store discarded, to be rebuilt", "it is damaged and was discarded")
    return sum(worker.log.count(words) for worker in deployment.workers for words in messages)


@pytest.mark.quick
async def test_a_full_disk_ends_the_worker_until_there_is_room(
    small_disk: SmallDisk, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)

    for _ in range(2):
        worker = deployment.start("a", SmallWriteBuffers())
        await worker.ready()
        await load(deployment, 400)
        small_disk.fill()
        await deployment.feed_until(lambda: not worker.is_running, "the disk is full")  # noqa: B023
        assert_ended(worker, await worker.died(), "the disk is full; make room and start again")
        worker = deployment.start("a")
        assert_ended(worker, await worker.died(), "the disk is full; make room and start again")
        small_disk.make_room()
    await start(deployment, "a")

    await finish(deployment, first_release)


async def test_a_disk_full_when_a_worker_stops(
    small_disk: SmallDisk, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    (worker,) = await start(deployment, "a")

    await load(deployment, 400)
    small_disk.fill()
    assert_ended(worker, await worker.stop(), "the disk is full; make room and start again")
    small_disk.make_room()
    await start(deployment, "a")

    await finish(deployment, first_release)


async def test_a_disk_that_turns_read_only(
    failing_disk: FailingDisk, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)

    for _ in range(2):
        worker = deployment.start("a", SmallWriteBuffers())
        await worker.ready()
        await load(deployment, 400)
        failing_disk.fail()
        await deployment.feed_until(lambda: not worker.is_running, "the disk is read-only")  # noqa: B023
        status = await worker.died()
        assert_ended(worker, status, "the disk is failing" if "Input/output error" in worker.log else READ_ONLY)
        worker = deployment.start("a")
        assert await worker.died() == Status.MISUSED
        assert "state-a cannot be used (Read-only file system); set another REFRAIN_STATE_DIR" in worker.log
        failing_disk.unmount()
        failing_disk.mount()
    await start(deployment, "a")

    await finish(deployment, first_release)


def assert_ended(worker: WorkerProcess, status: int, remedy: str) -> None:
    assert (status, remedy in worker.log) == (Status.CRASHED, True), worker.log[-4000:]


@pytest.mark.quick
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_store_that_fails_once_the_transaction_is_committed(
    when: str, deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)

    for _ in range(6):
        worker = deployment.start("a", Sabotage("remember", when, Act.RAISE, rng.randint(1, 20)))
        await deployment.feed_until(lambda: not worker.is_running, "a batch is not written to the store")  # noqa: B023
        assert_ended(worker, await worker.died(), f"OSError: sabotage {when} remember")
    await start(deployment, "a")

    await finish(deployment, first_release)
