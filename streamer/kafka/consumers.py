"""The backlog of a topic: everything committed on it so far."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition


async def read_backlog(
    bootstrap_servers: str, topic: str, partitions: Sequence[int]
) -> "AsyncGenerator[ConsumerRecord[bytes, bytes], None]":
    """Yield the committed records of some partitions up to their present ends; those of a partition in order."""
    read = [TopicPartition(topic, number) for number in partitions]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, isolation_level="read_committed")
    async with _running(consumer):
        ends = await consumer.end_offsets(read)
    async with aclosing(read_until(bootstrap_servers, ends)) as records:
        async for record in records:
            yield record


@asynccontextmanager
async def _running(consumer: AIOKafkaConsumer) -> AsyncGenerator[None, None]:
    """Start a consumer and stop it, also one that finds no Kafka: its own context leaves that open."""
    try:
        await consumer.start()
        yield
    finally:
        await consumer.stop()


async def read_until(
    bootstrap_servers: str, ends: Mapping[TopicPartition, int]
) -> "AsyncGenerator[ConsumerRecord[bytes, bytes], None]":
    """Yield the committed records before the ends, partition by partition; wait for transactions open there."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    async with _running(consumer):
        consumer.assign(list(ends))
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, ()):
                    if record.offset < end:
                        yield record
