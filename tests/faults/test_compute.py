"""Steps that fail, run out of memory, return no finite numbers, take too long or never end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from streamer.runtime.statuses import Status
from streamer.wire.messages import Cause
from tests.faults.computing import BEGINS, Computing, broken_after, exits_after, slow_after
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, load, start
from tests.faults.load import Event
from tests.faults.strange import Strange
from tests.faults.verdict import judge
from tests.poison import Sabotage, no_score_of, no_state_of, out_of_memory_above, raises_over

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]

#: A tenth of the plays. The first is where the engine looks in the catalogue for a track known to be good.
GUILTY: Final = ("t0", "t7", "t33")

#: Allows steps as long as a large model's on a slow device: three session timeouts.
PATIENT: Final = {"MAX_STEP_S": "45", "TRANSACTION_TIMEOUT_S": "50", "REBALANCE_TIMEOUT_S": "60"}


def with_guilty_plays(events: Iterator[Event]) -> Iterator[Event]:
    """Mark the plays of guilty tracks as uncomputable."""
    causes = frozenset({Cause.UNCOMPUTABLE})
    for event in events:
        is_guilty = event.track_id in GUILTY
        yield Strange(event.partition, event.key, event.value, causes=causes) if is_guilty else event


@pytest.mark.quick
@pytest.mark.parametrize("make", [raises_over, no_state_of, no_score_of], ids=["raise", "no state", "no score"])
async def test_steps_that_fail_on_certain_tracks_cost_only_those_plays(
    make: Callable[..., Sabotage], deployment: Deployment, first_release: TinyRelease
) -> None:
    deployment.events = with_guilty_plays(deployment.events)
    sabotage = Computing(make, GUILTY)
    await deployment.announce(first_release.saved)
    await deployment.feed(300)  # in large batches
    workers = [deployment.start(name, sabotage) for name in "ab"]

    await load(deployment, 300)
    workers[0].kill()  # its successor must reject the same plays
    deployment.start("a", sabotage)
    for _ in range(20):
        await load(deployment, 10)  # in small ones
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])


async def test_steps_out_of_memory_are_split_and_no_play_is_rejected(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    await deployment.feed(600)
    worker = deployment.start("a", Computing(out_of_memory_above, (3,)))

    await deployment.all_done()
    num_failures = worker.metric("refrain_step_failures_total")

    assert await worker.stop() == 0
    await judge(deployment, [first_release.release])
    assert num_failures > 30


@pytest.mark.parametrize("num_steps", [0, 40], ids=["from the start", "under load"])
async def test_a_device_that_is_broken_for_good_rejects_no_play(
    num_steps: int, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    await deployment.feed(300)

    for name in ("a", "a", "b"):
        worker = deployment.start(name, Computing(broken_after, (num_steps,)))
        await deployment.feed_until(lambda: not worker.is_running, "the worker ends")  # noqa: B023
        assert await worker.died() == Status.CRASHED
        assert "not even a known good play can be computed" in worker.log
    await start(deployment, "a", "b")
    await load(deployment, 300)
    await deployment.all_done()

    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])


async def test_a_step_longer_than_three_sessions_moves_no_partition(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    slow = deployment.start("a", Computing(slow_after, (20, 30.0)), **PATIENT)
    other = deployment.start("b", **PATIENT)
    for worker in (slow, other):
        await worker.ready()
    num_takeovers = [worker.log.count("fences taken") for worker in (slow, other)]

    await deployment.feed_until(lambda: BEGINS in slow.log, "the long step starts")
    await load(deployment, 400)
    await deployment.all_done()

    assert [worker.log.count("fences taken") for worker in (slow, other)] == num_takeovers
    assert await deployment.stop_all() == [0, 0]
    await judge(deployment, [first_release.release])
    assert deployment.complaints() == []


@pytest.mark.parametrize(
    ("sabotage", "reason"),
    [
        (Computing(slow_after, (20, 3600.0)), "took longer than 5.0 s"),
        (Computing(exits_after, (20,)), "the compute thread is dead"),
    ],
    ids=["step", "thread"],
)
async def test_an_endless_step_or_a_dead_thread_ends_the_process(
    sabotage: Computing, reason: str, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    worker = deployment.start("a", sabotage, MAX_STEP_S="5")
    (successor,) = await start(deployment, "b")

    await deployment.feed_until(lambda: not worker.is_running, "the worker ends")
    status = await worker.died()
    await load(deployment, 200)
    await deployment.all_done()

    assert status == Status.CRASHED
    assert reason in worker.log
    assert await successor.stop() == 0
    await judge(deployment, [first_release.release])
    assert deployment.complaints(but_of=[worker]) == []
