import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from streamer.kafka.fences import Fences
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic, read_committed

pytestmark = pytest.mark.kafka


async def write(fence: AIOKafkaProducer, topic: str, value: bytes) -> None:
    async with fence.transaction():
        await fence.send_and_wait(topic, value, partition=0)


async def test_taking_a_fence_locks_out_its_previous_holder(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    frozen, other = (Fences(kafka.connection, topic_prefix, 30.0) for _ in range(2))
    await frozen.take([0])
    await write(frozen.held[0], topic_prefix, b"before")

    await other.take([0])

    with pytest.raises((ProducerFenced, KafkaError)) as refused:
        await write(frozen.held[0], topic_prefix, b"thawed")
    assert isinstance(refused.value, ProducerFenced)
    await write(other.held[0], topic_prefix, b"after")
    assert [each.value for each in await read_committed(kafka.bootstrap_servers, topic_prefix)] == [b"before", b"after"]
    await frozen.drop()
    await other.drop()


async def test_a_transaction_started_before_the_fence_was_lost_is_never_read(
    kafka: DevKafka, topic_prefix: str
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    frozen, other = (Fences(kafka.connection, topic_prefix, 30.0) for _ in range(2))
    await frozen.take([0])
    await frozen.held[0].begin_transaction()
    await frozen.held[0].send_and_wait(topic_prefix, b"half", partition=0)

    await other.take([0])

    with pytest.raises(ProducerFenced):
        await frozen.held[0].commit_transaction()
    await write(other.held[0], topic_prefix, b"whole")
    assert [each.value for each in await read_committed(kafka.bootstrap_servers, topic_prefix)] == [b"whole"]
    await frozen.drop()
    await other.drop()


async def test_partitions_and_deployments_do_not_fence_each_other(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    fences = [Fences(kafka.connection, f"{topic_prefix}-{name}", 30.0) for name in ("a", "b")]
    await fences[0].take([0, 1])
    await fences[1].take([0])

    for holder, partition in ((0, 0), (0, 1), (1, 0)):
        await write(fences[holder].held[partition], topic_prefix, b"%d-%d" % (holder, partition))

    values = [each.value for each in await read_committed(kafka.bootstrap_servers, topic_prefix)]
    assert values == [b"0-0", b"0-1", b"1-0"]
    for each in fences:
        await each.drop()


async def test_exactly_the_fences_of_the_assignment_are_held_and_each_is_retaken(
    kafka: DevKafka, topic_prefix: str
) -> None:
    fences = Fences(kafka.connection, topic_prefix, 30.0)
    await fences.take([0, 1])
    before = dict(fences.held)

    await fences.take([1, 2, 2])

    assert sorted(fences.held) == [1, 2]
    assert fences.held[1] is not before[1]
    await fences.drop()
    assert not fences.held
