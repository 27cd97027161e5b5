"""Real processes of a demo that end by themselves; Kafka is real too."""

import asyncio
import contextlib
import os
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


def child_that_runs(mark: str, others: frozenset[psutil.Process] = frozenset()) -> psutil.Process:
    """Find the process of this test's own with an argument, but for others and for the watchdog above it."""
    commands = {each: each.cmdline() for each in descendants() - others}
    (found,) = [each for each, command in commands.items() if mark in command and "-c" not in command]
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
    async with watched({"REFRAIN_MAX_STEP_S": "soon"}, told) as (processes, watching):
        processes.cluster.start_worker(0)
        await asyncio.wait({watching})
        logs = processes.cluster.logs

        with pytest.raises(ClusterError) as caught:
            watching.result()

    how = "ended by itself with status 2"
    assert told == [("worker-0", how)] * (MAX_ENDS - 1)
    first, *log = str(caught.value).splitlines()
    assert first.startswith(f"worker-0 {how}, {MAX_ENDS} times in a row")
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
