"""Work apart."""

import asyncio
import threading
import time
from contextlib import aclosing

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError

from streamer.errors import BusyError
from streamer.kafka.consumers import read_backlog
from streamer.local.devkafka import DevKafka
from streamer.runtime.apart import Apart
from streamer.runtime.tasks import start_vital
from tests.onkafka import create_topic, produce
from tests.until import until


async def test_work_runs_in_another_thread_and_its_errors_are_the_callers() -> None:
    apart = Apart(1)

    async def where() -> int:
        return threading.get_ident()

    async def fail() -> None:
        raise ValueError("no")

    assert await apart.run(60, where) != threading.get_ident()
    with pytest.raises(ValueError, match="no"):
        await apart.run(60, fail)
    assert await apart.run(60, where)


async def test_a_background_task_that_fails_costs_the_work_that_started_it_alone() -> None:
    ended = list[str]()

    async def fail() -> None:
        raise ValueError("bad luck")

    async def wait() -> None:
        start_vital(fail(), "a task of a client")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("in order")

    apart = Apart(1)
    with pytest.raises(ValueError, match="bad luck"):
        await apart.run(60, wait)
    assert ended == ["in order"]
    assert await apart.run(60, lambda: asyncio.sleep(0, "the next one"))


@pytest.mark.kafka
async def test_a_background_task_of_a_kafka_client_that_fails_costs_the_question_alone(
    kafka: DevKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    await produce(kafka.bootstrap_servers, topic_prefix, b"letter")

    async def read() -> list[bytes | None]:
        async with aclosing(read_backlog(kafka.connection, topic_prefix, [0])) as records:
            return [record.value async for record in records]

    def fail(*_: object) -> None:
        raise ValueError("bad luck")

    apart = Apart(1)
    with monkeypatch.context() as patch:
        patch.setattr(Fetcher, "_get_actions_per_node", fail)  # the fetching task calls it
        with pytest.raises(KafkaError, match="Unexpected error during data retrieval"):
            await apart.run(60, read)
    assert await apart.run(60, read) == [b"letter"]


async def test_work_whose_time_is_up_is_cancelled() -> None:
    ended = list[str]()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("in order")

    with pytest.raises(TimeoutError):
        await Apart(1).run(0.01, wait)
    assert ended == ["in order"]


async def test_what_hangs_is_left_behind_and_counts_until_it_ends() -> None:
    apart, release = Apart(1), threading.Event()

    async def hang() -> None:
        release.wait(60)

    async def nothing() -> bool:
        return True

    began_s = time.monotonic()
    with pytest.raises(TimeoutError):
        await apart.run(0.01, hang)
    assert time.monotonic() - began_s < 30
    with pytest.raises(BusyError, match="1 others ask"):
        await apart.run(60, nothing)
    release.set()
    await until(lambda: apart._free._value == 1, "the thread has ended")
    assert await apart.run(60, nothing)
