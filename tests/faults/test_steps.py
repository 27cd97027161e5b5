"""Workers that die or freeze at each step in the life of a play, and at each step of a start."""

from __future__ import annotations

import random

import pytest

from streamer.runtime.statuses import Status
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, everything_owned_by, load, start
from tests.faults.load import NUM_PARTITIONS
from tests.faults.sabotage import BATCH_STEPS, START_STEPS, Act, Sabotage, moments
from tests.faults.verdict import judge
from tests.until import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1200)]

#: How many batches a worker survives at most.
_MAX_BATCHES = 12


def drawn(rng: random.Random, step: str, when: str, act: Act) -> Sabotage:
    """Choose a random batch for the fault; the steps of a start are taken once."""
    return Sabotage(step, when, act, rng.randint(1, _MAX_BATCHES) if step in BATCH_STEPS else 1)


async def kill_at(deployment: Deployment, sabotage: Sabotage) -> None:
    """Start a worker under load, and wait until the sabotage kills it."""
    worker = deployment.start("a", sabotage)
    await deployment.feed_until(lambda: not worker.is_running, f"a worker dies {sabotage}; its log {worker.log_path}")
    await worker.died()
    assert worker.was_killed, worker.log[-4000:]


@pytest.mark.parametrize("others", [(), ("b", "c")], ids=["alone", "of three"])
async def test_a_worker_killed_before_and_after_each_step(
    others: tuple[str, ...], deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)
    await start(deployment, *others)

    for step, when in moments(BATCH_STEPS | START_STEPS):  # nothing is recovered before the first batch
        await kill_at(deployment, drawn(rng, step, when, Act.KILL))
    for step, when in moments(["commit", "send", "end transaction", "remember", "acknowledge"]):
        await kill_at(deployment, drawn(rng, step, when, Act.FLUSH_AND_KILL))
        await kill_at(deployment, drawn(rng, step, when, Act.STALL_AND_KILL))
    deployment.start("a")
    await deployment.all_done()

    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [first_release.release])


@pytest.mark.parametrize("steps", [[*START_STEPS][1:], [*BATCH_STEPS][:7], [*BATCH_STEPS][7:]],
                         ids=["of a start", "before the transaction", "from the transaction on"])  # fmt: skip
async def test_a_worker_frozen_before_and_after_each_step_until_it_was_replaced(
    steps: list[str], deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)
    (successor,) = await start(deployment, "b")

    for step, when in moments(steps):  # a release is loaded before there is anything to replace
        num_takeovers = successor.num_takeovers(NUM_PARTITIONS)
        worker = deployment.start("a", drawn(rng, step, when, Act.FREEZE))
        await deployment.feed_until(lambda: worker.is_frozen or not worker.is_running, "a worker freezes")  # noqa: B023
        await worker.froze()
        await until(lambda: successor.num_takeovers(NUM_PARTITIONS) > num_takeovers, "the other has everything")  # noqa: B023
        worker.thaw()
        assert await worker.ended() == Status.CRASHED
    await deployment.all_done()

    assert await deployment.stop_all() == [0]
    await judge(deployment, [first_release.release])


@pytest.mark.quick
async def test_a_worker_killed_where_it_hurts(
    deployment: Deployment, first_release: TinyRelease, rng: random.Random
) -> None:
    await deployment.announce(first_release.saved)
    await start(deployment, "b")

    await kill_at(
        deployment, Sabotage("send", "after", Act.STALL_AND_KILL)
    )  # the first request; a mutant sends several
    for step, when in moments(["send", "end transaction", "remember", "acknowledge"]):
        await kill_at(deployment, drawn(rng, step, when, Act.FLUSH_AND_KILL))
        await kill_at(deployment, drawn(rng, step, when, Act.STALL_AND_KILL))
    await start(deployment, "a")
    await load(deployment, 400)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])


@pytest.mark.quick
async def test_a_worker_frozen_where_it_hurts(deployment: Deployment, first_release: TinyRelease) -> None:
    await deployment.announce(first_release.saved)
    (successor,) = await start(deployment, "b")

    worker = deployment.start("a", Sabotage("end transaction", "before", Act.FREEZE, 5))
    await deployment.feed_until(lambda: worker.is_frozen or not worker.is_running, "a worker freezes")
    await worker.froze()
    await until(lambda: everything_owned_by(successor), "the other has taken over everything")
    worker.thaw()
    assert await worker.ended() == Status.CRASHED
    await deployment.all_done()

    assert await deployment.stop_all() == [0]
    await judge(deployment, [first_release.release])
