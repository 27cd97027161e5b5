"""Fences on a real broker; `tests/faults/test_transactions.py` has them over a network that fails."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import InvalidTxnState, KafkaError, MessageSizeTooLargeError, ProducerFenced

from streamer.kafka.fence import Fence
from streamer.kafka.fences import Fences
from streamer.kafka.record_batch import RecordBatch
from streamer.kafka.transaction import Record, Records, fit, write
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic, read_committed

pytestmark = pytest.mark.kafka


def batches(*values: bytes, max_bytes: int = 1_000_000) -> list[RecordBatch]:
    return fit("any", Records.of([Record(b"k", value) for value in values]), max_bytes)


async def values(kafka: DevKafka, topic: str) -> list[bytes | None]:
    return [record.value for record in await read_committed(kafka.bootstrap_servers, topic)]


@pytest.fixture
async def fence(kafka: DevKafka, topic_prefix: str) -> AsyncIterator[Fence]:
    """The fence of partition 0, and a topic of the same name as its deployment."""
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    fences = Fences(kafka.connection, topic_prefix, 30.0)
    await fences.take([0])
    yield fences.held[0]
    await fences.drop()


@pytest.fixture
async def successor(kafka: DevKafka, topic_prefix: str) -> AsyncIterator[Fences]:
    """What another worker has, before it takes the fence."""
    fences = Fences(kafka.connection, topic_prefix, 30.0)
    yield fences
    await fences.drop()


async def test_nothing_of_a_transaction_is_visible_before_its_commit(
    fence: Fence, kafka: DevKafka, topic_prefix: str
) -> None:
    await fence.begin([topic_prefix])
    ends = await fence.send({topic_prefix: batches(b"a", b"b")})
    assert (ends, await values(kafka, topic_prefix)) == ({topic_prefix: 2}, [])

    await fence.commit()

    assert await values(kafka, topic_prefix) == [b"a", b"b"]


async def test_a_transaction_spans_topics_and_as_many_batches_as_they_take(
    fence: Fence, kafka: DevKafka, topic_prefix: str
) -> None:
    other, several = f"{topic_prefix}.other", [b"%d" % number * 100 for number in range(20)]
    await create_topic(kafka.bootstrap_servers, other)

    for round_number in range(3):  # the numbers of records go on
        first = batches(*several, max_bytes=1000)
        assert len(first) > 3
        ends = await write(fence, {topic_prefix: first, other: batches(b"%d" % round_number)})

        assert ends == {topic_prefix: 20 + 21 * round_number, other: 1 + 2 * round_number}  # each leaves a marker
    assert await values(kafka, topic_prefix) == several * 3
    assert await values(kafka, other) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("num_steps", [0, 1, 2])
async def test_a_fenced_producer_fails_at_its_next_step(
    num_steps: int, fence: Fence, successor: Fences, kafka: DevKafka, topic_prefix: str
) -> None:
    steps = (
        lambda: fence.begin([topic_prefix]),
        lambda: fence.send({topic_prefix: batches(b"replaced")}),
        fence.commit,
    )
    for step in steps[:num_steps]:
        await step()

    await successor.take([0])

    with pytest.raises(ProducerFenced):
        await steps[num_steps]()
    await write(successor.held[0], {topic_prefix: batches(b"successor")})
    assert await values(kafka, topic_prefix) == [b"successor"]


async def test_what_its_previous_holder_left_open_ends_when_a_fence_is_taken(
    fence: Fence, successor: Fences, kafka: DevKafka, topic_prefix: str
) -> None:
    await fence.begin([topic_prefix])
    await fence.send({topic_prefix: batches(b"left open")})

    await successor.take([0])
    await write(successor.held[0], {topic_prefix: batches(b"a")})

    assert await values(kafka, topic_prefix) == [b"a"]


async def test_what_a_broker_refuses_is_raised(fence: Fence, kafka: DevKafka, topic_prefix: str) -> None:
    small = f"{topic_prefix}.small"
    await create_topic(kafka.bootstrap_servers, small, configs={"max.message.bytes": "200"})

    with pytest.raises(MessageSizeTooLargeError):
        await write(fence, {topic_prefix: batches(b"fits"), small: batches(b"x" * 300)})

    assert await values(kafka, topic_prefix) == []


async def test_a_commit_of_nothing_is_refused(fence: Fence) -> None:
    with pytest.raises(KafkaError) as refused:
        await fence.commit()

    assert isinstance(refused.value, InvalidTxnState)
