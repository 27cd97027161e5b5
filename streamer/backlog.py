"""The backlog of a topic: everything committed on it so far."""

from collections.abc import AsyncGenerator, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition


async def read_backlog(
    bootstrap_servers: str, topic: str, partitions: Sequence[int]
) -> "AsyncGenerator[ConsumerRecord[bytes, bytes], None]":
    """Yield the committed records of some partitions up to their present ends; those of a partition in order."""
    read = [TopicPartition(topic, number) for number in partitions]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        consumer.assign(read)
        for partition, end in (await consumer.end_offsets(read)).items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records:
                        yield record
    finally:
        await consumer.stop()
