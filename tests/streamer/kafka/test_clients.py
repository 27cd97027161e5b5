"""A client is always stopped; pytest turns a client left open into an error."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.kafka.producers import create_producer
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port

CREATE = (create_consumer, create_producer)


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


async def _start_and_stop(client: Any) -> None:
    async with running(client) as started:
        assert started is client
