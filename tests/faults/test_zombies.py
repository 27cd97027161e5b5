"""Workers that freeze and come back, two that claim one identity, and fences that Kafka has forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from streamer.local.devkafka import DevKafka
from streamer.runtime.statuses import Status
from tests.faults.conftest import DeployOn, TinyRelease
from tests.faults.harness import SESSION_TIMEOUT_S, Deployment, load, start
from tests.faults.load import NUM_PARTITIONS
from tests.faults.process import WorkerProcess
from tests.faults.sabotage import REVOKE_STEPS, Act, Sabotage, moments
from tests.faults.supervisor import supervised
from tests.faults.verdict import judge
from tests.until import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

#: Seconds until a forgetful broker forgets an idle producer; the defaults are a week, and a day for its sequence.
FORGOTTEN_S: Final = 4.0

FORGETS_FENCES: Final = {
    "transactional.id.expiration.ms": int(FORGOTTEN_S * 1000),
    "transaction.remove.expired.transaction.cleanup.interval.ms": 1000,
}
FORGETS_SEQUENCES: Final = {
    "producer.id.expiration.ms": int(FORGOTTEN_S * 1000),
    "producer.id.expiration.check.interval.ms": 1000,
}


def everything_owned_by(workers: list[WorkerProcess]) -> bool:
    """Return whether workers own all partitions between them."""
    return sorted(number for worker in workers for number in worker.partitions) == list(range(NUM_PARTITIONS))


async def test_a_worker_frozen_in_a_revocation_until_it_was_replaced(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    (steady,) = await start(deployment, "b")

    for number, (step, when) in enumerate(moments(REVOKE_STEPS)):
        frozen = deployment.start("a", Sabotage(step, when, Act.FREEZE, 2))  # its first revocation is that of joining
        await deployment.feed_until(frozen.is_ready, "the worker has joined")
        joining = deployment.start(f"c{number}")
        await deployment.feed_until(lambda: frozen.is_frozen or not frozen.is_running, "it freezes")  # noqa: B023
        await frozen.froze()
        await until(lambda: everything_owned_by([steady, joining]), "the others have taken over")  # noqa: B023
        frozen.thaw()
        assert await frozen.ended() == Status.CRASHED
        await joining.ready()
        await load(deployment, 100)
        assert await joining.stop() == 0
    await deployment.all_done()

    assert await deployment.stop_all() == [0]
    await judge(deployment, [first_release.release])


@pytest.mark.quick
async def test_many_freezes_shorter_than_a_session_cost_nothing(
    deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)
    workers = await start(deployment, "a", "b")
    taken = [worker.log.count("fences taken") for worker in workers]

    for _ in range(30):
        done_before_it_freezes = deployment.num_sent + rng.randint(1, 60)
        await deployment.feed_until(lambda: deployment.num_sent >= done_before_it_freezes, "plays are done")  # noqa: B023
        await rng.choice(workers).freeze_for(rng.uniform(0.1, SESSION_TIMEOUT_S / 4))
    await deployment.all_done()

    assert [worker.log.count("fences taken") for worker in workers] == taken
    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])


@pytest.mark.quick
@pytest.mark.parametrize("is_quiet", [False, True], ids=["under load", "quiet"])
async def test_of_two_processes_with_one_identity_the_older_ends(
    is_quiet: bool,  # noqa: FBT001
    deployment: Deployment,
    first_release: TinyRelease,
) -> None:
    await deployment.announce(first_release.saved)
    older, _ = await start(deployment, "a", "b")
    await load(deployment, 200)

    newer = deployment.start("twin", INSTANCE_ID="a")
    if is_quiet:
        await until(lambda: not older.is_running or not newer.is_running, "one of the two ends")
    else:
        await deployment.feed_until(lambda: not older.is_running or not newer.is_running, "one of the two ends")
    assert newer.is_running, newer.log[-3000:]
    assert await older.died() == Status.CRASHED
    await newer.ready()
    await load(deployment, 200)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])


@pytest_asyncio.fixture
async def forgetful(request: pytest.FixtureRequest, tmp_path: Path, deploy_on: DeployOn) -> AsyncIterator[Deployment]:
    """The test's own topics, on a broker that forgets, with the test's settings."""
    kafka = DevKafka(tmp_path / "kafka", broker_config=request.param)
    await asyncio.to_thread(kafka.start)
    try:
        async with deploy_on(kafka.bootstrap_servers) as deployment:
            yield deployment
    finally:
        await asyncio.to_thread(kafka.stop)


@pytest.mark.parametrize("forgetful", [FORGETS_FENCES, FORGETS_SEQUENCES], ids=["fences", "sequences"], indirect=True)
async def test_a_worker_idle_until_kafka_has_forgotten_its_producers(
    forgetful: Deployment, first_release: TinyRelease
) -> None:
    deployment = forgetful
    await deployment.announce(first_release.saved)

    async with supervised(deployment, "a", "b") as supervisor:
        for _ in range(2):
            await load(deployment, 100)
            await deployment.all_done()
            await asyncio.sleep(2 * FORGOTTEN_S)  # being idle is the fault
            supervisor.note_fault()
        await load(deployment, 100)
        await deployment.all_done()

    assert set(supervisor.statuses) <= {Status.CRASHED}
    assert len(supervisor.statuses) <= 2 * 2, "each of the two at most once after each idle time"
    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [first_release.release])
