"""Brokers that stop, come back, answer late or not at all, or fall silent in the middle of a transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.local.devkafka import DevKafka
from streamer.runtime.statuses import Status
from tests.faults.brokers import ThreeBrokers
from tests.faults.conftest import DeployOn, TinyRelease
from tests.faults.harness import Deployment, everything_owned_by, load, start
from tests.faults.load import NUM_PARTITIONS
from tests.faults.proxy import Api, Proxy
from tests.faults.sabotage import Act, Sabotage
from tests.faults.supervisor import supervised
from tests.faults.verdict import judge
from tests.until import until, until_awaited

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

UNREACHABLE_S: Final = 60.0
DELAY_S: Final = 0.2

#: Requests that a worker sends all the time, and those only for joining and for a rebalance of the group.
IN_WORK: Final = (Api.ADD_PARTITIONS_TO_TXN, Api.PRODUCE, Api.END_TXN, Api.OFFSET_COMMIT, Api.HEARTBEAT)
IN_A_REBALANCE: Final = (Api.JOIN_GROUP, Api.SYNC_GROUP, Api.INIT_PRODUCER_ID)


@pytest_asyncio.fixture
async def deployment(proxied_kafka: DevKafka, deploy_on: DeployOn) -> AsyncIterator[Deployment]:
    """The test's own topics, on the broker for faults; the load bypasses the proxy."""
    async with deploy_on(proxied_kafka.bootstrap_servers) as deployment:
        yield deployment


async def finish(deployment: Deployment, release: TinyRelease) -> None:
    """Stop all workers cleanly, and judge."""
    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [release.release])


@pytest.mark.quick
@pytest.mark.parametrize("end", [DevKafka.stop, DevKafka.kill], ids=["stopped in order", "killed"])
async def test_a_broker_that_stops_and_comes_back(
    end: Callable[[DevKafka], None], deployment: Deployment, first_release: TinyRelease, proxied_kafka: DevKafka
) -> None:
    await deployment.announce(first_release.saved)

    async with supervised(deployment, "a", "b") as supervisor:
        for _ in range(3):
            await load(deployment, 400)
            supervisor.note_fault()
            await asyncio.to_thread(end, proxied_kafka)
            restart = asyncio.create_task(asyncio.to_thread(proxied_kafka.start))
            await deployment.feed_until(restart.done, "the broker is back")
        await load(deployment, 400)
        await deployment.all_done()

    await finish(deployment, first_release)


@pytest.mark.parametrize("silence", [Proxy.refuse, Proxy.swallow], ids=["refusing", "swallowing"])
async def test_a_broker_out_of_reach_for_a_minute(
    silence: Callable[[Proxy], Awaitable[None]], deployment: Deployment, first_release: TinyRelease, proxy: Proxy
) -> None:
    await deployment.announce(first_release.saved)

    async with supervised(deployment, "a", "b", KAFKA_BOOTSTRAP_SERVERS=proxy.address) as supervisor:
        await load(deployment, 400)
        supervisor.note_fault()
        await silence(proxy)
        await deployment.feed(400)
        await asyncio.sleep(UNREACHABLE_S)  # the fault itself
        await proxy.heal()
        await load(deployment, 400)
        await deployment.all_done()

    assert set(supervisor.statuses) <= {Status.CRASHED, Status.UNREACHABLE}
    await finish(deployment, first_release)


async def test_a_worker_out_of_reach_until_it_was_replaced(
    deployment: Deployment, first_release: TinyRelease, proxy: Proxy
) -> None:
    """Only its fence stops it: it was never frozen, and its requests arrive late."""
    await deployment.announce(first_release.saved)
    (successor,) = await start(deployment, "b")
    cut_off = deployment.start("a", KAFKA_BOOTSTRAP_SERVERS=proxy.address)
    await cut_off.ready()

    await load(deployment, 800)
    await proxy.swallow()
    await until(lambda: everything_owned_by(successor), "the other has taken over everything")
    await successor.ready()
    await proxy.heal()
    await load(deployment, 400)
    await deployment.all_done()

    assert set(await deployment.stop_all()) == {0}
    await judge(deployment, [first_release.release])
    assert await cut_off.ended() == Status.CRASHED


async def test_a_broker_that_is_far_away(deployment: Deployment, first_release: TinyRelease, proxy: Proxy) -> None:
    await deployment.announce(first_release.saved)

    async with supervised(deployment, "a", "b", KAFKA_BOOTSTRAP_SERVERS=proxy.address) as supervisor:
        await load(deployment, 400)
        proxy.delay_s = DELAY_S
        await load(deployment, 400)
        supervisor.start("c")
        await supervisor.ready()
        await load(deployment, 400)
        await deployment.all_done()

    assert supervisor.statuses == []
    await finish(deployment, first_release)


@pytest.mark.parametrize("cut", [Proxy.cut_before, Proxy.cut_after], ids=["before", "after"])
async def test_a_connection_cut_before_or_after_a_request_of_each_kind(
    cut: Callable[..., asyncio.Event],
    deployment: Deployment,
    first_release: TinyRelease,
    proxy: Proxy,
    rng: random.Random,
) -> None:
    await deployment.announce(first_release.saved)

    async with supervised(deployment, "a", "b", KAFKA_BOOTSTRAP_SERVERS=proxy.address) as supervisor:
        for api in IN_WORK * 2:
            supervisor.note_fault()
            struck = cut(proxy, api, nth=rng.randint(1, 5))
            await deployment.feed_until(struck.is_set, f"{api.name} is cut")
            await supervisor.ready()
        for number, api in enumerate(IN_A_REBALANCE * 2):
            supervisor.note_fault()
            struck = cut(proxy, api, nth=rng.randint(1, 3))  # three workers ask, for four partitions
            joining = f"joining-{number}"  # a name the group knows would not cause a rebalance
            supervisor.start(joining)
            await deployment.feed_until(struck.is_set, f"{api.name} is cut")
            await supervisor.ready()
            await supervisor.stop(joining)
        await deployment.all_done()

    assert set(supervisor.statuses) <= {Status.CRASHED}
    await finish(deployment, first_release)


@pytest.mark.parametrize("session_timeout_s", [10, 100], ids=["and its session", "alone"])
async def test_a_transaction_left_to_time_out(
    session_timeout_s: int, deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    sabotage = Sabotage("end transaction", "before", Act.FREEZE, 5)
    frozen = deployment.start("a", sabotage, SESSION_TIMEOUT_S=str(session_timeout_s))

    await deployment.feed_until(lambda: frozen.is_frozen or not frozen.is_running, "a worker freezes")
    await frozen.froze()
    assert not await has_no_open_transactions(deployment)
    await until_awaited(lambda: has_no_open_transactions(deployment), "the open transaction times out", period_s=0.5)
    frozen.thaw()
    status = await frozen.ended()
    async with supervised(deployment, "a", SESSION_TIMEOUT_S=str(session_timeout_s)):
        await load(deployment, 400)
        await deployment.all_done()

    assert status == Status.CRASHED
    await finish(deployment, first_release)


async def has_no_open_transactions(deployment: Deployment) -> bool:
    """Return whether everything written to the changelog is committed or aborted."""
    partitions = [TopicPartition(deployment.settings.changelog_topic, number) for number in range(NUM_PARTITIONS)]
    ends = []
    for isolation_level in ("read_committed", "read_uncommitted"):
        async with AIOKafkaConsumer(
            bootstrap_servers=deployment.bootstrap_servers, isolation_level=isolation_level
        ) as consumer:
            consumer.assign(partitions)
            ends.append(await consumer.end_offsets(partitions))
    end_of_committed, end_of_written = ends
    return bool(end_of_committed == end_of_written)


async def test_one_of_three_brokers_that_is_killed_and_comes_back(
    tmp_path: Path, deploy_on: DeployOn, first_release: TinyRelease
) -> None:
    with ThreeBrokers(tmp_path) as brokers:
        async with deploy_on(brokers.bootstrap_servers) as deployment:
            await deployment.announce(first_release.saved)
            topic = deployment.settings.changelog_topic

            async with supervised(deployment, "a", "b") as supervisor:
                for partition in range(3):
                    await load(deployment, 400)
                    node = await brokers.leader_of(topic, partition)
                    supervisor.note_fault()
                    await asyncio.to_thread(brokers.kill, node)
                    await load(deployment, 400)
                    await brokers.led_by_another(topic, than=node)
                    restart = asyncio.create_task(asyncio.to_thread(brokers.start, node))
                    await deployment.feed_until(restart.done, "the broker is back")
                    await brokers.in_sync(topic)
                await deployment.all_done()

            assert set(supervisor.statuses) <= {Status.CRASHED}
            await finish(deployment, first_release)
