"""Workers that keep copies of each other's states: a takeover starts from the copy, and a copy never writes."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest

from streamer.runtime.statuses import Status
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment, everything_owned_by, load
from tests.faults.load import NUM_PARTITIONS
from tests.faults.process import WorkerProcess
from tests.faults.sabotage import Act, Sabotage
from tests.faults.selfreport import replays, standby_lags
from tests.faults.verdict import judge
from tests.until import until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

#: Changelog records that a standby may have to read before it takes over: those of the last batches.
A_FEW: Final = 100

OFFSET_KEY: Final = b"__faust\0offset__"

#: Seconds until gauges show what was done before: workers update them once a second, after a fetch.
GAUGES_S: Final = 2.5

#: A worker that keeps standbys, and learns of a loss at once.
STANDING_BY: Final = {"STANDBYS": "1", "HEARTBEAT_S": "1"}


async def start(deployment: Deployment, name: str) -> WorkerProcess:
    """Start a worker, and wait until it answers."""
    worker = deployment.start(name, **STANDING_BY)
    await worker.ready()
    return worker


async def share(one: WorkerProcess, other: WorkerProcess) -> None:
    """Wait until each of two workers has half of the partitions, and a copy of the other half."""
    await until(lambda: _share(one, other), "two workers share the partitions and copy each other's states")


def _share(one: WorkerProcess, other: WorkerProcess) -> bool:
    if not (one.is_ready() and other.is_ready()):
        return False
    copies = standby_lags(one), standby_lags(other)
    if [*map(sorted, copies)] != [other.partitions, one.partitions]:
        return False
    return max((*copies[0].values(), *copies[1].values())) < A_FEW


async def finish(deployment: Deployment, release: TinyRelease, num_copies: int) -> None:
    """Let the standbys catch up, stop all workers cleanly, and judge the states and each copy of them."""
    await deployment.all_done()
    running = [worker for worker in deployment.workers if worker.is_running]
    await asyncio.sleep(GAUGES_S)
    await until(
        lambda: all(lag == 0 for worker in running for lag in standby_lags(worker).values()), "the copies are complete"
    )
    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [release.release])
    leftovers = await deployment.leftovers()
    for partition in range(NUM_PARTITIONS):
        end = max(record.offset for record in leftovers.changelog if record.partition == partition)
        stores = [items for (number, _), items in leftovers.stores.items() if number == partition]
        complete = [items for items in stores if int(items.get(OFFSET_KEY, -1)) >= end]
        assert len(complete) == num_copies, f"copies of partition {partition}"


async def test_three_takeovers_in_a_row_start_from_the_copy_and_lose_and_repeat_nothing(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    survivor, lost = await start(deployment, "a"), await start(deployment, "b")
    await load(deployment, 2000)

    for _ in range(3):
        await share(survivor, lost)
        await load(deployment, 1000)
        lost.kill()
        taken_over = lost.partitions
        await deployment.feed_until(lambda: everything_owned_by(survivor), "everything was taken over")  # noqa: B023
        await until(survivor.is_ready, "the survivor answers")
        await until(lambda: len(replays(survivor, lost.faults[-1].at_ms)) == NUM_PARTITIONS, "all partitions start")  # noqa: B023
        replayed = replays(survivor, lost.faults[-1].at_ms)
        assert max(replayed[partition] for partition in taken_over) < A_FEW, f"{replayed} of a longer changelog"
        lost, survivor = survivor, await start(deployment, lost.name)

    await share(survivor, lost)
    await load(deployment, 400)
    await finish(deployment, first_release, num_copies=2)
    assert deployment.complaints() == []


async def test_a_worker_that_stops_hands_over_to_its_standby_long_before_its_session_ends(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    leaver, heir = [deployment.start(name, **STANDING_BY, SESSION_TIMEOUT_S="1500") for name in ("a", "b")]
    await until(lambda: _share(leaver, heir), "two workers share the partitions and copy each other's states")
    await load(deployment, 1000)
    left_ms, handed_over = time.time() * 1000, leaver.partitions

    assert await leaver.stop() == 0
    await deployment.feed_until(lambda: everything_owned_by(heir), "everything was handed over")
    await until(lambda: len(replays(heir, left_ms)) == NUM_PARTITIONS, "all partitions start")

    assert max(replays(heir, left_ms)[partition] for partition in handed_over) < A_FEW
    await load(deployment, 400)
    await finish(deployment, first_release, num_copies=1)
    assert deployment.complaints() == []


async def test_a_worker_frozen_until_its_standby_has_its_partitions_writes_nothing_when_it_thaws(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    frozen, survivor = await start(deployment, "a"), await start(deployment, "b")
    await share(frozen, survivor)

    await load(deployment, 1000)
    frozen.freeze()
    await deployment.feed_until(lambda: everything_owned_by(survivor), "everything was taken over")
    await load(deployment, 400)
    frozen.thaw()
    status = await frozen.ended()
    await share(await start(deployment, "a"), survivor)
    await load(deployment, 400)

    assert status == Status.CRASHED
    await finish(deployment, first_release, num_copies=2)
    assert deployment.complaints(but_of=[frozen]) == []


async def test_workers_that_join_and_leave_cleanly_hand_on_their_copies(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    await start(deployment, "a")
    await start(deployment, "b")

    for _ in range(4):
        joining = await start(deployment, "c")
        await load(deployment, 1000)
        assert await joining.stop() == 0
        await load(deployment, 1000)

    await finish(deployment, first_release, num_copies=2)
    assert deployment.complaints() == []


@pytest.mark.parametrize("act", [Act.KILL, Act.FLUSH_AND_KILL])
async def test_a_standby_killed_while_it_copies_takes_over_correct_states(
    act: Act, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    active = await start(deployment, "a")
    await load(deployment, 1000)

    for when in ("before", "after"):
        killed = deployment.start("b", Sabotage("recover", when, act, call=40), **STANDING_BY)
        await deployment.feed_until(lambda: not killed.is_running, "the standby is killed")  # noqa: B023
        await killed.died()
    standby = await start(deployment, "b")
    await share(active, standby)
    await load(deployment, 400)
    active.kill()
    await deployment.feed_until(lambda: everything_owned_by(standby), "everything was taken over")

    await finish(deployment, first_release, num_copies=1)
    assert deployment.complaints() == []
