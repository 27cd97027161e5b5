"""A client is always stopped; pytest turns a client or a connection left open into an error."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from streamer.kafka.access import check_access
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.kafka.producers import create_producer
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from tests.onkafka import create_topic
from tests.until import until

CREATE = (create_consumer, create_producer)


async def consume(connection: Connection) -> None:
    await _start_and_stop(create_consumer(connection))


async def produce(connection: Connection) -> None:
    await _start_and_stop(create_producer(connection))


async def administer(connection: Connection) -> None:
    async with KafkaAdmin(connection):
        pass


@pytest.mark.parametrize("create", CREATE)
async def test_a_client_that_finds_no_kafka_is_stopped(create: Callable[[Connection], Any]) -> None:
    client = create(Connection.parse(f"127.0.0.1:{free_port()}"))

    with pytest.raises(KafkaConnectionError):
        await _start_and_stop(client)

    assert client._closed
    del client
    gc.collect()


@pytest.mark.kafka
@pytest.mark.parametrize("create", CREATE)
async def test_a_client_is_stopped_at_once_and_after_an_error(
    create: Callable[[Connection], Any], kafka: DevKafka
) -> None:
    idle, failing = create(kafka.connection), create(kafka.connection)

    await _start_and_stop(idle)
    with pytest.raises(ZeroDivisionError):
        async with running(failing):
            _ = 1 // 0

    assert idle._closed
    assert failing._closed


@pytest.mark.kafka
@pytest.mark.parametrize("connect", [consume, produce, administer, check_access])
@pytest.mark.parametrize("request_name", ["ApiVersionRequest", "MetadataRequest"])
async def test_whoever_is_cancelled_while_it_connects_leaves_no_connection(
    connect: Callable[[Connection], Coroutine[Any, Any, None]], request_name: str, kafka: DevKafka
) -> None:
    task = asyncio.create_task(connect(kafka.connection))

    async with logged("aiokafka.conn", request_name, task.cancel):
        with pytest.raises(asyncio.CancelledError):
            await task

    del task
    gc.collect()


@pytest.mark.kafka
async def test_a_consumer_that_waits_after_an_error_is_stopped_whole(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    failed = asyncio.Event()

    async with (
        logged("aiokafka.consumer.fetcher", "Failed fetch", failed.set),
        running(create_consumer(kafka.connection, retry_backoff_ms=60_000)) as consumer,
    ):
        consumer.assign([TopicPartition(topic_prefix, 0)])
        await until(lambda: consumer._fetcher._in_flight, "a fetch is under way")
        for connection in consumer._client._conns.values():
            connection.close()
        await failed.wait()

    assert not any(connection.connected() for connection in consumer._client._conns.values())
    assert consumer._fetcher._fetch_task.done()


@asynccontextmanager
async def logged(logger_name: str, words: str, call: Callable[[], object]) -> AsyncIterator[None]:
    """Call when a message with some words is logged."""
    logger, handler = logging.getLogger(logger_name), logging.Handler()
    level = logger.level
    handler.emit = lambda record: call() if words in record.getMessage() else None  # type: ignore[method-assign,assignment]
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def _start_and_stop(client: Any) -> None:
    async with running(client) as started:
        assert started is client
