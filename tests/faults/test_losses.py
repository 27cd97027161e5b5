"""A worker refuses when Kafka has lost data: to continue would lose or repeat plays. The remedy it names works."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from streamer.runtime.statuses import Status
from tests.faults.account import Place
from tests.faults.cleaning import A_WEEK_MS, clean, feed_until_cleaned
from tests.faults.conftest import TinyRelease
from tests.faults.disks import put_back
from tests.faults.harness import Deployment, load, start
from tests.faults.history import History, assert_answered
from tests.faults.load import NUM_PARTITIONS, Event
from tests.faults.process import WorkerProcess
from tests.faults.verdict import judge
from tests.onkafka import admin_of, create_topic, delete_topic
from tests.until import until_awaited

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]

#: Named by every refusal that has a remedy.
REMEDY: Final = "refrain offsets reset"


async def answer_some_plays(deployment: Deployment, release: TinyRelease) -> None:
    await deployment.announce(release.saved)
    await answer_more_plays(deployment)


async def answer_more_plays(deployment: Deployment) -> None:
    """Let a worker answer new plays, and stop it cleanly."""
    await start(deployment, "a")
    await deployment.feed(200)
    await deployment.all_done()
    assert await deployment.stop_all() == [0]


async def refused(deployment: Deployment, *words: str) -> WorkerProcess:
    """Start a worker, which must refuse to start and log the given words."""
    worker = deployment.start("a")
    assert_refused(worker, await worker.ended(), *words)
    return worker


def assert_refused(worker: WorkerProcess, status: int, *words: str) -> None:
    missing = [each for each in words if each not in worker.log]
    assert (status, missing) == (Status.REFUSED, []), worker.log[-4000:]


async def reset(deployment: Deployment, to: str) -> str:
    """Run the remedy as an operator does, once the group has no members; return its output."""
    async with admin_of(deployment.bootstrap_servers) as admin:
        await until_awaited(
            lambda: is_without_members(admin, deployment.app_id), "the group has no members", period_s=0.5
        )
    command = [sys.executable, "-m", "streamer", *REMEDY.split()[1:], "--to", to, "--yes"]
    environment = os.environ | deployment.environment("a")
    process = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


async def is_without_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    (response,) = await admin.describe_consumer_groups([group])
    (_, _, _, _, _, members, *_) = response.groups[0]
    return not members


def places(deployment: Deployment) -> set[Place]:
    """Return the place of every record of the stream."""
    return {(partition, offset) for partition, events in deployment.sent.items() for offset in events}


def without(deployment: Deployment, left_out: Collection[Place]) -> dict[int, dict[int, Event]]:
    """Return the stream without some records."""
    return {
        partition: {offset: event for offset, event in events.items() if (partition, offset) not in left_out}
        for partition, events in deployment.sent.items()
    }


# -- the changelog


@pytest.mark.parametrize("to", ["earliest", "latest"])
async def test_a_lost_changelog_is_refused_until_its_states_are_given_up(
    to: str, deployment: Deployment, first_release: TinyRelease
) -> None:
    history = History()
    await answer_some_plays(deployment, first_release)
    history.apply(deployment.sent)

    await delete_topic(deployment.bootstrap_servers, deployment.settings.changelog_topic)
    await refused(deployment, "ahead of the changelog", "delete the state directories", REMEDY)
    deployment.wipe("a")
    await refused(deployment, "the changelog was lost", REMEDY)
    output, done = await reset(deployment, to), places(deployment)
    history.give_up_states()
    await answer_more_plays(deployment)

    assert "Delete the state directories of all workers" in output
    history.apply(without(deployment, done) if to == "latest" else deployment.sent)
    await assert_answered(deployment, history)


@pytest.mark.parametrize("disk", ["wiped", "an old copy"])
async def test_a_changelog_compacted_to_almost_nothing_holds_every_state(
    disk: str, cleaned_deployment: Deployment, first_release: TinyRelease, tmp_path: Path
) -> None:
    deployment, state_dir, copy = cleaned_deployment, cleaned_deployment.state_dir("a"), tmp_path / "copy"
    await answer_some_plays(deployment, first_release)
    shutil.copytree(state_dir, copy)
    (worker,) = await start(deployment, "a")
    await clean(deployment, delete_retention_ms=A_WEEK_MS)
    await load(deployment, 3000)
    await deployment.all_done()

    await feed_until_cleaned(deployment, lambda records: len(records) < 200, "almost nothing is left of the changelog")
    assert await worker.stop() == 0
    if disk == "wiped":
        deployment.wipe("a")
    else:
        put_back(copy, state_dir)
    await answer_more_plays(deployment)

    await judge(deployment, [first_release.release])


# -- a recreated topic


@pytest.mark.quick
@pytest.mark.parametrize(("num_plays", "to"), [(20, "earliest"), (1000, "earliest"), (1000, "latest")])
async def test_a_recreated_plays_topic_is_refused_until_offsets_are_reset(
    num_plays: int, to: str, deployment: Deployment, first_release: TinyRelease
) -> None:
    history = History()
    await answer_some_plays(deployment, first_release)
    history.apply(deployment.sent)

    settings = deployment.settings
    await delete_topic(deployment.bootstrap_servers, settings.plays_topic)
    await create_topic(deployment.bootstrap_servers, settings.plays_topic, settings.partitions)
    deployment.sent = {}
    await deployment.feed(num_plays)
    await refused(deployment, "the topic was recreated", f"{REMEDY} --to earliest")
    await reset(deployment, to)
    skipped = places(deployment) if to == "latest" else set()
    await answer_more_plays(deployment)

    history.apply(without(deployment, skipped))
    await assert_answered(deployment, history)


async def test_a_plays_topic_recreated_under_a_running_worker_ends_it(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    (worker,) = await start(deployment, "a")
    await load(deployment, 400)
    await deployment.all_done()

    settings = deployment.settings
    await delete_topic(deployment.bootstrap_servers, settings.plays_topic)
    await create_topic(deployment.bootstrap_servers, settings.plays_topic, settings.partitions)

    assert await worker.ended() == Status.CRASHED
    await refused(deployment, "the topic was recreated", f"{REMEDY} --to earliest")


# -- plays deleted


@pytest.mark.quick
async def test_plays_deleted_while_no_worker_ran_are_counted_and_skipped(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await answer_some_plays(deployment, first_release)
    done = places(deployment)

    await deployment.feed(200)
    deleted = await delete_all(deployment, places(deployment) - done)
    await deployment.feed(200)
    worker = await refused(deployment, f"{REMEDY} --to earliest")
    output = await reset(deployment, "earliest")
    await answer_more_plays(deployment)

    assert reported_lost(worker) == deleted
    assert sum(map(int, re.findall(r"skips (\d+) plays", output))) == len(deleted)
    deployment.sent = without(deployment, deleted)
    await judge(deployment, [first_release.release])


async def test_plays_deleted_before_a_running_worker_read_them_end_it(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    (worker,) = await start(deployment, "a")
    await load(deployment, 400)
    await deployment.all_done()

    worker.freeze()
    await deployment.feed(2000)
    deleted = await delete_all(deployment, places(deployment))
    worker.thaw()
    status = await worker.ended()
    worker_refused = await refused(deployment, f"{REMEDY} --to earliest")
    await reset(deployment, "earliest")
    await answer_more_plays(deployment)

    assert (status, "records were deleted before they were read" in worker.log) == (Status.CRASHED, True)
    lost = reported_lost(worker_refused)
    assert lost < deleted
    deployment.sent = without(deployment, lost)
    await judge(deployment, [first_release.release])


async def delete_all(deployment: Deployment, doomed: set[Place]) -> set[Place]:
    """Delete records, and all before them, as retention does."""
    ends = {partition: offset + 1 for partition, offset in sorted(doomed)}
    async with admin_of(deployment.bootstrap_servers) as admin:
        topic = deployment.settings.plays_topic
        await admin.delete_records({TopicPartition(topic, number): RecordsToDelete(ends[number]) for number in ends})
    return doomed


def reported_lost(worker: WorkerProcess) -> set[Place]:
    """Return the places of the plays that a worker reports as deleted."""
    reports = re.findall(r"-(\d+): begins at offset (\d+) but the states end at (\d+): (\d+) plays were", worker.log)
    lost = {(int(number), offset) for number, begin, mark, _ in reports for offset in range(int(mark) + 1, int(begin))}
    assert len(lost) == sum(int(num_lost) for *_, num_lost in reports) > 0
    return lost


# -- partitions added


async def test_partitions_added_while_no_worker_ran_are_refused(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await answer_some_plays(deployment, first_release)

    await add_partitions(deployment, NUM_PARTITIONS + 2)

    await refused(deployment, f"has {NUM_PARTITIONS + 2} partitions but the states have 4", "REFRAIN_PLAYS_TOPIC")


async def test_partitions_added_while_workers_run_are_refused_by_all(
    deployment: Deployment, first_release: TinyRelease
) -> None:
    await deployment.announce(first_release.saved)
    workers = await start(deployment, "a", "b")
    await load(deployment, 400)

    await add_partitions(deployment, NUM_PARTITIONS + 2)
    await deployment.feed_until(lambda: not any(worker.is_running for worker in workers), "all workers have refused")

    for worker in workers:
        assert_refused(worker, await worker.ended(), "partitions of the plays were added", "REFRAIN_PLAYS_TOPIC")
    await refused(deployment, "partitions of the plays were added")


async def add_partitions(deployment: Deployment, num_partitions: int) -> None:
    async with admin_of(deployment.bootstrap_servers) as admin:
        await admin.create_partitions({deployment.settings.plays_topic: NewPartitions(num_partitions)})
