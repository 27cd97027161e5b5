"""Producers with transactions: committed, aborted, and left open in front of others' plays."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.consumers import create_consumer
from streamer.operations.offset_table import show
from tests.builders import play_value
from tests.cases.observations import Observe
from tests.faults.conftest import TinyRelease
from tests.faults.harness import Deployment
from tests.faults.process import WorkerProcess
from tests.onkafka import admin_of
from tests.until import until, until_awaited

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.kind(5)]


async def test_a_transaction_left_open_is_seen_in_lag_log_and_command_and_its_end_ends_it(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    await deployment.announce(first_release.saved)
    worker = deployment.start("a")
    await worker.ready()
    first = await end(deployment)

    async with transactional_producer(deployment) as producer:
        await producer.begin_transaction()
        await send_plays(deployment, producer, 3)
        await send_plays(deployment, deployment.producer, 20)
        await until(lambda: shown(worker, "blocked_plays") == 23, "what waits is counted")
        assert shown(worker, "lag_plays") == 23
        await until(
            lambda: f"23 records of {deployment.settings.plays_topic}-0 wait behind" in worker.log, "it is said"
        )
        assert f"--start-offset {first}" in worker.log
        assert worker.log.count("wait behind") == 1
        assert worker.is_ready()
        report = await show(deployment.settings)
        await producer.abort_transaction()

    await until(lambda: worker.metric("refrain_plays_total") == 20, "the others' plays are answered")
    await until(lambda: shown(worker, "blocked_seconds") == shown(worker, "lag_plays") == 0, "all is applied")
    assert f"abort --topic {deployment.settings.plays_topic} --partition 0 --start-offset {first}" in report
    assert await worker.stop() == 0
    observe("20 plays behind a transaction left open: lag and refrain_blocked_plays say 23, /readyz stays ok")
    observe("after 15 s one log line, and offsets show, say where it begins and the command that ends it")
    observe("once it is aborted, all 20 are answered and lag is 0")


async def test_behind_transactions_that_ended_others_see_no_lag_and_nothing_is_missing_once_they_expire(
    deployment: Deployment, first_release: TinyRelease, observe: Observe
) -> None:
    await deployment.announce(first_release.saved)
    worker = deployment.start("a")
    await worker.ready()

    async with transactional_producer(deployment) as producer:
        for ends in (producer.commit_transaction, producer.abort_transaction):
            await producer.begin_transaction()
            await send_plays(deployment, producer, 3)
            await ends()
    await until_awaited(lambda: is_done_for_others(deployment), "the group's lag, as others count it, is 0")
    assert worker.metric("refrain_plays_total") == 3
    assert await worker.stop() == 0

    worker = deployment.start("a")
    await worker.ready()
    assert await worker.stop() == 0
    last = await end(deployment)
    async with admin_of(deployment.bootstrap_servers) as admin:
        await admin.delete_records({plays(deployment): RecordsToDelete(last)})
    worker = deployment.start("a")
    await worker.ready()

    await send_plays(deployment, deployment.producer, 2)
    await until(lambda: worker.metric("refrain_plays_total") == 2, "new plays are answered")
    assert await worker.stop() == 0
    assert "were deleted before they were applied" not in worker.log
    assert deployment.complaints() == []
    observe("3 plays committed, then 3 aborted: end minus commit, as KEDA and Burrow count lag, is 0")
    observe("all records expire, markers too: the worker starts again, and takes no marker for a lost play")


@asynccontextmanager
async def transactional_producer(deployment: Deployment) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=deployment.bootstrap_servers, transactional_id=f"{deployment.app_id}-producer"
    ) as producer:
        yield producer


async def send_plays(deployment: Deployment, producer: AIOKafkaProducer, num_plays: int) -> None:
    for number in range(num_plays):
        value = play_value("u", f"t{number}", time.time_ns() // 1_000_000)
        await producer.send_and_wait(deployment.settings.plays_topic, value, b"u", partition=0)


def plays(deployment: Deployment) -> TopicPartition:
    return TopicPartition(deployment.settings.plays_topic, 0)


def shown(worker: WorkerProcess, name: str) -> float:
    """Return a metric of partition 0."""
    return worker.metric(re.escape(f'refrain_{name}{{partition="0"}}'))


async def end(deployment: Deployment) -> int:
    """Return the end of partition 0 as tools see it that know nothing of transactions."""
    async with running(
        create_consumer(connection_of(deployment.settings), isolation_level="read_uncommitted")
    ) as reader:
        return int((await reader.end_offsets([plays(deployment)]))[plays(deployment)])


async def is_done_for_others(deployment: Deployment) -> bool:
    async with KafkaAdmin(connection_of(deployment.settings)) as admin:
        commits = await admin.read_commits(deployment.app_id)
    return plays(deployment) in commits and commits[plays(deployment)].offset == await end(deployment)
