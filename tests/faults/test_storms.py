"""Workers killed at random moments under load, and groups that are never stable."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, start
from tests.faults.verdict import judge

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("run", [pytest.param(0, marks=pytest.mark.quick), 1, 2, 3])
async def test_a_worker_killed_at_random_moments(
    run: int,  # noqa: ARG001  part of the test's name, which seeds its stream and its moments
    deployment: Deployment,
    first_release: TinyRelease,
    rng: random.Random,
) -> None:
    await deployment.announce(first_release.saved)
    workers = {worker.name: worker for worker in await start(deployment, "a", "b", "c")}

    for _ in range(60):
        name = rng.choice("abc")
        done_before_the_kill = deployment.num_sent + rng.randint(1, 100)
        await deployment.feed_until(lambda: deployment.num_sent >= done_before_the_kill, "plays are done")  # noqa: B023
        await asyncio.sleep(rng.random() / 5)  # the moment is the fault here, not a way to wait for something
        workers[name].kill()
        workers[name] = deployment.start(name)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0, 0]
    await judge(deployment, [first_release.release])


@pytest.mark.parametrize("identity", ["static", "dynamic"])
async def test_a_group_that_workers_join_and_leave_every_few_seconds(
    identity: str, deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)
    settings = {} if identity == "static" else {"INSTANCE_ID": ""}
    steady = deployment.start("a", **settings)
    await steady.ready()

    for number in range(24):
        joining = deployment.start("bcd"[number % 3], **settings)
        await deployment.feed_until(joining.is_ready, "a worker has joined")
        done_before_it_leaves = deployment.num_sent + rng.randint(1, 300)
        await deployment.feed_until(lambda: deployment.num_sent >= done_before_it_leaves, "plays are done")  # noqa: B023
        assert await joining.stop() == 0
    await deployment.all_done()

    assert await deployment.stop_all() == [0]
    await judge(deployment, [first_release.release])
