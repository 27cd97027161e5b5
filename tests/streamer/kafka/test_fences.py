import pytest
from aiokafka.errors import ProducerFenced

from streamer.kafka.fence import Fence
from streamer.kafka.fences import Fences
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.transaction import Record, Records, fit, write
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic, read_committed

pytestmark = pytest.mark.kafka


async def write_value(fence: Fence, topic: str, value: bytes) -> None:
    await write(fence, {topic: fit(topic, Records.of([Record(None, value)]), MAX_BATCH_BYTES)})


async def test_taking_a_fence_locks_out_its_previous_holder(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    frozen, other = (Fences(kafka.connection, topic_prefix, 30.0) for _ in range(2))
    await frozen.take([0])
    await write_value(frozen.held[0], topic_prefix, b"before")

    await other.take([0])

    with pytest.raises(ProducerFenced):
        await write_value(frozen.held[0], topic_prefix, b"thawed")
    await write_value(other.held[0], topic_prefix, b"after")
    assert [each.value for each in await read_committed(kafka.bootstrap_servers, topic_prefix)] == [b"before", b"after"]
    await frozen.drop()
    await other.drop()


async def test_partitions_and_deployments_do_not_fence_each_other(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    fences = [Fences(kafka.connection, f"{topic_prefix}-{name}", 30.0) for name in ("a", "b")]
    await fences[0].take([0, 1])
    await fences[1].take([0])

    for holder, partition in ((0, 0), (0, 1), (1, 0)):
        await write_value(fences[holder].held[partition], topic_prefix, b"%d-%d" % (holder, partition))

    for partition, values in enumerate([[b"0-0", b"1-0"], [b"0-1"]]):
        found = await read_committed(kafka.bootstrap_servers, topic_prefix, partition)
        assert [each.value for each in found] == values
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
