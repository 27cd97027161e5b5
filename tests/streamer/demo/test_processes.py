"""Real processes of a demo that end by themselves; Kafka is real too."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Mapping

import psutil
import pytest

from streamer.demo.processes import MAX_ENDS, Processes, started
from streamer.demo.scale import DemoScale
from streamer.errors import KafkaUnavailableError
from streamer.kafka.topics import ensure_topics
from streamer.local.cluster import ClusterError
from tests.until import until, until_awaited

pytestmark = pytest.mark.kafka

Told = list[tuple[str, str]]
KILLED = "was killed by signal 9 (SIGKILL)"


def descendants() -> frozenset[psutil.Process]:
    return frozenset(psutil.Process().children(recursive=True))


def children_that_run(mark: str, others: frozenset[psutil.Process] = frozenset()) -> list[psutil.Process]:
    """Find the processes of this test's own with an argument, but for others and for the watchdogs above them."""
    found = []
    for each in descendants() - others:
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            command = each.cmdline()
            if mark in command and "-c" not in command:
                found.append(each)
    return found


def child_that_runs(mark: str, others: frozenset[psutil.Process] = frozenset()) -> psutil.Process:
    """Find the one that must be there."""
    (found,) = children_that_run(mark, others)
    return found


@contextlib.asynccontextmanager
async def watched(environment: Mapping[str, str], told: Told) -> AsyncIterator[tuple[Processes, asyncio.Task[None]]]:
    async with started({**DemoScale().environment(os.environ), **environment}, 1) as processes:
        watching = asyncio.create_task(processes.watch(lambda name, how: told.append((name, how))))
        try:
            yield processes, watching
        finally:
            watching.cancel()


async def is_ready(processes: Processes, name: str) -> bool:
    return await asyncio.to_thread(processes.cluster.is_ready, name)


async def test_a_process_is_started_again_as_often_as_it_is_killed_once_it_was_ready() -> None:
    told: Told = []
    async with watched({}, told) as (processes, watching):
        await ensure_topics(processes.cluster.settings)
        processes.cluster.start_trainer()

        for num_killed in range(1, MAX_ENDS + 1):
            await until_awaited(lambda: is_ready(processes, "trainer"), "the trainer is ready")
            await until(lambda: not processes.unready, "this is noticed")
            child_that_runs("trainer").kill()
            await until(lambda: len(told) == num_killed, "the end is told")  # noqa: B023  it does not outlive the turn

        await until_awaited(lambda: is_ready(processes, "trainer"), "the trainer is ready again")
        assert not watching.done()

    assert told == [("trainer", KILLED)] * MAX_ENDS
    assert processes.restarts == {"trainer": MAX_ENDS}


async def test_a_worker_that_keeps_ending_before_it_is_ready_ends_the_demo_and_is_named() -> None:
    told: Told = []
    async with watched({}, told) as (processes, watching):
        processes.cluster.start_worker(0)
        for num_told in range(1, MAX_ENDS + 1):
            (await until(lambda: children_that_run("worker"), "the worker runs"))[0].kill()
            await until(lambda: len(told) == num_told or watching.done(), "its end is noticed")  # noqa: B023  as above

        with pytest.raises(
            ClusterError, match=rf"^worker-0 {re.escape(KILLED)}, {MAX_ENDS} times in a row.*The end of .* says:"
        ):
            watching.result()

    assert told == [("worker-0", KILLED)] * (MAX_ENDS - 1)


async def test_a_worker_whose_settings_are_wrong_is_not_started_again_and_says_which() -> None:
    told: Told = []
    async with watched({"REFRAIN_MAX_STEP_S": "soon"}, told) as (processes, watching):
        processes.cluster.start_worker(0)
        await asyncio.wait({watching})
        logs = processes.cluster.logs

        with pytest.raises(ClusterError) as caught:
            watching.result()

    assert not told
    first, *log = str(caught.value).splitlines()
    assert first.startswith("worker-0 ended by itself with status 2, which a restart does not change.")
    assert first.endswith(f"The end of {logs / 'worker-0.log'} says:")
    assert "REFRAIN_MAX_STEP_S='soon'" in "\n".join(log)


async def test_a_killed_kafka_is_not_started_again() -> None:
    told: Told = []
    others = descendants()  # the Kafka of other tests
    async with watched({}, told) as (_, watching):
        child_that_runs("kafka.Kafka", others).kill()
        await asyncio.wait({watching})

        with pytest.raises(
            KafkaUnavailableError, match=r"Kafka was killed by signal 9 \(SIGKILL\)\. The end of .* says"
        ):
            watching.result()

    assert not told
