"""Workers killed, frozen, added and stopped under load: they remember and answer what the oracle expects."""

from __future__ import annotations

import random

import pytest

from streamer.runtime.statuses import Status
from tests.faults.conftest import TinyRelease
from tests.faults.harness import SESSION_TIMEOUT_S, Deployment, everything_owned_by, load, start
from tests.faults.process import WorkerProcess
from tests.faults.verdict import judge
from tests.until import until


async def freeze_until_replaced(worker: WorkerProcess, successor: WorkerProcess) -> None:
    """Freeze a worker, and let it continue when another has its partitions."""
    worker.freeze()
    await until(lambda: everything_owned_by(successor), f"{successor.name} has taken over everything")
    worker.thaw()


@pytest.mark.kafka
async def test_two_workers_remember_and_answer_what_the_oracle_expects(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    await deployment.feed(300)

    await start(deployment, "a", "b")
    await load(deployment, 300)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints() == []


@pytest.mark.kafka
async def test_a_killed_worker_loses_and_repeats_nothing(deployment: Deployment, first_release: TinyRelease) -> None:
    await deployment.announce(first_release.saved)
    killed, _ = await start(deployment, "a", "b")

    await load(deployment, 400)
    killed.kill()
    deployment.start("a")
    await load(deployment, 200)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints() == []


@pytest.mark.kafka
async def test_a_worker_frozen_until_it_was_replaced_ends_itself(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    frozen, successor = await start(deployment, "a", "b")

    await load(deployment, 400)
    await freeze_until_replaced(frozen, successor)
    status = await frozen.ended()
    deployment.start("a")
    await load(deployment, 200)
    await deployment.all_done()

    assert status == Status.CRASHED
    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints(but_of=[frozen]) == []


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_three_kills_one_with_its_disk_lost_lose_and_repeat_nothing(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    worker, _ = await start(deployment, "a", "b")

    for disk_is_lost in (False, True, False):
        await load(deployment, 600)
        worker.kill()
        if disk_is_lost:
            deployment.wipe("a")
        (worker,) = await start(deployment, "a")
    await load(deployment, 600)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints() == []


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_freezes_short_and_long_lose_and_repeat_nothing(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    frozen, successor = await start(deployment, "a", "b")
    statuses, ended = [], []

    for _ in range(3):
        await load(deployment, 400)
        await frozen.freeze_for(SESSION_TIMEOUT_S / 3)
        await load(deployment, 400)
        await freeze_until_replaced(frozen, successor)
        statuses.append(await frozen.ended())
        ended.append(frozen)
        (frozen,) = await start(deployment, "a")
    await deployment.all_done()

    assert statuses == [Status.CRASHED] * 3
    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints(but_of=ended) == []


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_workers_joining_and_leaving_cleanly_lose_and_repeat_nothing(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    statuses = []

    leaving, _ = await start(deployment, "a", "b")
    for joining in ("c", "d", "e"):
        await load(deployment, 600)
        joined = deployment.start(joining)
        await joined.ready()
        await load(deployment, 3000)  # enough for a batch to wait at the closed gate
        statuses.append(await leaving.stop())
        leaving = joined
    await deployment.all_done()

    assert statuses == [0, 0, 0]
    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints() == []


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_release_announced_while_a_worker_is_dead_rebuilds_states_from_the_plays_they_remember(
    deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    killed, _ = await start(deployment, "a", "b")
    await load(deployment, 1500)

    killed.kill()
    await deployment.announce(second_release.saved)
    await load(deployment, 600)
    deployment.start("a")
    await load(deployment, 600)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    answering = await judge(deployment, [first_release.release, second_release.release])
    assert deployment.complaints() == []
    assert answering == {first_release.release.release_id, second_release.release.release_id}


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_plays_before_the_first_release_are_remembered_and_not_answered(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    workers = await start(deployment, "a", "b")
    await deployment.feed(900)
    await deployment.all_done()
    silent = deployment.plays()

    await deployment.announce(first_release.saved)
    await until(lambda: all("release taken up" in worker.log for worker in workers), "the release is taken up")
    await deployment.feed(300)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release], silent=silent)
    assert deployment.complaints() == []


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
async def test_random_faults_of_three_workers_lose_and_repeat_nothing(
    seed: int, deployment: Deployment, first_release: TinyRelease, second_release: TinyRelease
) -> None:
    rng = random.Random(seed)
    await deployment.announce(first_release.saved)
    workers = {worker.name: worker for worker in await start(deployment, "a", "b", "c")}
    frozen = []

    for misfortune in range(12):
        await load(deployment, 300)
        name = rng.choice("abc")
        worker = workers[name]
        match rng.choice(["kill", "kill", "kill and wipe", "freeze", "freeze for long", "stop"]):
            case "kill":
                worker.kill()
            case "kill and wipe":
                worker.kill()
                deployment.wipe(name)
            case "freeze":
                frozen.append(worker)
                await worker.freeze_for(SESSION_TIMEOUT_S / 3)
            case "freeze for long":
                await worker.ready()  # before that, it does not watch its clock
                frozen.append(worker)
                await worker.freeze_for(SESSION_TIMEOUT_S * 1.5)
                assert await worker.ended() == Status.CRASHED
            case "stop":
                await worker.ready()  # before that, it does not handle signals
                assert await worker.stop() == 0
        if not worker.is_running:
            workers[name] = deployment.start(name)
        if misfortune == 6:
            await deployment.announce(second_release.saved)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0, 0]
    await judge(deployment, [first_release.release, second_release.release])
    assert deployment.complaints(but_of=frozen) == []
