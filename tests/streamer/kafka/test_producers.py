import pytest
from aiokafka.errors import ProducerFenced

from streamer.kafka.clients import running
from streamer.kafka.producers import (
    MAX_BATCH_BYTES,
    Delivery,
    Producer,
    create_producer,
    create_transactional_producer,
    send_all,
    transaction,
)
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic, read_committed
from tests.unheard import nothing_unheard
from tests.until import until

pytestmark = pytest.mark.kafka


async def test_a_producer_sends_the_records_of_a_partition_in_order(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    values = [b"%d" % number for number in range(100)]

    async with running(create_producer(kafka.connection, linger_ms=2)) as producer:
        sent = await send_all(producer.send(topic_prefix, value, partition=0) for value in values)

    assert [each.offset for each in sent] == list(range(100))
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
        async with transaction(later):
            await later.send_and_wait(topic_prefix, bytes(MAX_BATCH_BYTES // 2), partition=0)
        with pytest.raises(ProducerFenced):
            async with transaction(earlier):
                await earlier.send_and_wait(topic_prefix, b"fenced", partition=0)

    (record,) = await read_committed(kafka.bootstrap_servers, topic_prefix)
    assert record.value == bytes(MAX_BATCH_BYTES // 2)


async def test_what_a_fenced_producer_has_not_sent_is_an_error_once(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)

    async with nothing_unheard():
        with pytest.raises(ProducerFenced):
            await _send_while_another_starts(kafka, topic_prefix)

    assert await read_committed(kafka.bootstrap_servers, topic_prefix) == []


async def _send_while_another_starts(kafka: DevKafka, topic: str) -> None:
    earlier, later = (
        create_transactional_producer(kafka.connection, transactional_id=topic, transaction_timeout_s=60)
        for _ in range(2)
    )
    async with running(earlier), running(later), transaction(earlier):
        await send_all(iter([earlier.send(topic, b"fenced", partition=0), _send_once_fenced(earlier, topic)]))


async def _send_once_fenced(producer: Producer, topic: str) -> Delivery:
    """Send a record when the one before it has brought the news."""
    await until(producer._txn_manager.is_fatal_error, "the producer has heard that it is fenced")
    delivery: Delivery = await producer.send(topic, b"after it", partition=0)
    return delivery
