import asyncio
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from streamer.kafka.clients import running
from streamer.kafka.consumers import create_consumer, read_backlog, read_until
from streamer.kafka.producers import create_transactional_producer
from streamer.local.devkafka import DevKafka
from tests.onkafka import admin_of, create_topic, produce

pytestmark = pytest.mark.kafka


@pytest.fixture
async def topic(kafka: DevKafka, topic_prefix: str) -> str:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    await produce(kafka.bootstrap_servers, topic_prefix, b"one", b"two")
    return topic_prefix


def transactional(kafka: DevKafka, topic: str) -> AIOKafkaProducer:
    return create_transactional_producer(kafka.connection, transactional_id=topic, transaction_timeout_s=60)


async def backlog(kafka: DevKafka, topic: str) -> list[tuple[int, bytes | None]]:
    async with aclosing(read_backlog(kafka.connection, topic, [0, 1])) as records:
        return [(record.partition, record.value) async for record in records]


async def test_a_backlog_holds_the_committed_records_in_order_within_each_partition(
    kafka: DevKafka, topic: str
) -> None:
    async with running(transactional(kafka, topic)) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"other", partition=1)
            await producer.send_and_wait(topic, b"three", partition=0)

    records = await backlog(kafka, topic)

    assert [value for partition, value in records if partition == 0] == [b"one", b"two", b"three"]
    assert [value for partition, value in records if partition == 1] == [b"other"]


async def test_records_after_the_ends_are_not_read(kafka: DevKafka, topic: str) -> None:
    ends = {TopicPartition(topic, 0): 1}

    async with aclosing(read_until(kafka.connection, ends)) as records:
        assert [record.value async for record in records] == [b"one"]


async def test_reading_waits_for_a_transaction_that_is_open_before_the_ends(kafka: DevKafka, topic: str) -> None:
    tp = TopicPartition(topic, 0)
    async with (
        running(transactional(kafka, topic)) as producer,
        running(create_consumer(kafka.connection, isolation_level="read_uncommitted")) as consumer,
    ):
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"late", partition=0)
        ends = await consumer.end_offsets([tp])

        async with aclosing(read_until(kafka.connection, ends)) as records:
            values = [(await anext(records)).value, (await anext(records)).value]
            last = asyncio.ensure_future(anext(records))
            await producer.commit_transaction()
            values.append((await last).value)

    assert ends[tp] == 3
    assert values == [b"one", b"two", b"late"]


async def test_a_consumer_commits_for_a_group_it_does_not_join(kafka: DevKafka, topic: str) -> None:
    tp = TopicPartition(topic, 0)
    async with running(create_consumer(kafka.connection, group_id=topic)) as consumer:
        consumer.assign([tp])
        await consumer.commit({tp: 1})

        async with admin_of(kafka.bootstrap_servers) as admin:
            (response,) = await admin.describe_consumer_groups([topic])
            committed = await admin.list_consumer_group_offsets(topic)

    _, _, _, _, _, members, *_ = response.groups[0]
    assert members == []
    assert {place: offset.offset for place, offset in committed.items()} == {tp: 1}


@pytest.mark.parametrize(("auto_offset_reset", "position"), [("earliest", 0), ("latest", 2)])
async def test_a_consumer_whose_offset_does_not_exist_continues_where_it_is_configured_to(
    kafka: DevKafka, topic: str, auto_offset_reset: str, position: int
) -> None:
    tp = TopicPartition(topic, 0)
    async with running(create_consumer(kafka.connection, auto_offset_reset=auto_offset_reset)) as consumer:
        consumer.assign([tp])

        assert await consumer.position(tp) == position


async def test_a_consumer_may_reject_an_offset_that_does_not_exist(kafka: DevKafka, topic: str) -> None:
    tp = TopicPartition(topic, 0)
    async with running(create_consumer(kafka.connection, auto_offset_reset="none")) as consumer:
        consumer.assign([tp])
        consumer.seek(tp, 9)

        with pytest.raises(OffsetOutOfRangeError):
            await consumer.getmany(tp, timeout_ms=20_000)
