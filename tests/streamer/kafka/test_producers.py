from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from streamer.kafka.clients import running
from streamer.kafka.producers import MAX_BATCH_BYTES, create_producer, create_transactional_producer, transaction
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic, read_committed

pytestmark = pytest.mark.kafka


async def test_a_producer_sends_the_records_of_a_partition_in_order(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    values = [b"%d" % number for number in range(100)]

    async with running(create_producer(kafka.connection, linger_ms=2)) as producer:
        for value in values:
            await producer.send(topic_prefix, value, partition=0)

    assert [record.value for record in await read_committed(kafka.bootstrap_servers, topic_prefix)] == values


async def test_a_transactional_producer_fences_the_one_before_it(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    earlier, later = (
        create_transactional_producer(
            kafka.connection, transactional_id=topic_prefix, transaction_timeout_s=60
        )
        for _ in range(2)
    )  # fmt: skip

    async with running(earlier), running(later):
        async with later.transaction():
            await later.send_and_wait(topic_prefix, bytes(MAX_BATCH_BYTES // 2), partition=0)
        with pytest.raises(ProducerFenced):
            await _send_on(earlier, topic_prefix)

    (record,) = await read_committed(kafka.bootstrap_servers, topic_prefix)
    assert record.value == bytes(MAX_BATCH_BYTES // 2)


async def _send_on(producer: AIOKafkaProducer, topic: str) -> None:
    """Send another record after one through which the producer hears that it is fenced."""
    async with transaction(producer):
        with suppress(ProducerFenced):
            await producer.send_and_wait(topic, b"fenced", partition=0)
        await producer.send(topic, b"after it", partition=0)
