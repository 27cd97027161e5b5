"""Open transactions in front of records: how long, where, and when it is said."""

import logging

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streamer.kafka.blocks import Block, BlockWatch, find_blocks
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic, produce


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_partition_is_blocked_for_as_long_as_its_readable_end_stays(clock: Clock) -> None:
    watch = BlockWatch("plays", clock)
    watch.look({0: (5, 9), 1: (7, 7)})

    clock.now_s += 4
    assert watch.look({0: (5, 12), 1: (7, 7)}) == {0: 4.0, 1: 0.0}
    clock.now_s += 4
    assert watch.look({0: (11, 12), 1: (7, 7)}) == {0: 0.0, 1: 0.0}, "the next transaction"
    clock.now_s += 4
    assert watch.look({0: (12, 12)}) == {0: 0.0}


def test_a_block_that_lasts_is_logged_once_and_so_is_its_end(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    watch = BlockWatch("plays", clock)

    with caplog.at_level(logging.INFO, "streamer.kafka.blocks"):
        for end in (9, 10, 11):
            watch.look({3: (5, end)})
            clock.now_s += 16
        watch.look({3: (12, 12)})

    assert caplog.messages == [
        f"partition blocked: {Block('plays', 3, 5, 5)}", "transaction ended topic=plays partition=3 offset=5"
    ]  # fmt: skip
    assert "abort --topic plays --partition 3 --start-offset 5" in caplog.messages[0]


@pytest.mark.kafka
async def test_open_transactions_are_found_on_kafka(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    partitions = [TopicPartition(topic_prefix, 0), TopicPartition(topic_prefix, 1)]
    await produce(kafka.bootstrap_servers, topic_prefix, b"1")

    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic_prefix) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic_prefix, b"2", partition=0)
        await produce(kafka.bootstrap_servers, topic_prefix, b"3")
        blocked = await find_blocks(kafka.connection, partitions)
        await producer.commit_transaction()

    assert blocked == [Block(topic_prefix, 0, 1, 2)]
    assert await find_blocks(kafka.connection, partitions) == []
