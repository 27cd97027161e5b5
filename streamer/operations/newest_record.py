"""The newest record of a key, searched from the end: listeners who play are near it, and none of it is read twice."""

from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

#: How many records from the end are read first; ten times as many after each failure.
_FIRST_LEAP: Final = 10_000


async def find_newest(
    consumer: AIOKafkaConsumer, partition: TopicPartition, key: bytes
) -> "ConsumerRecord[bytes, bytes] | None":
    """Return the newest committed record of a key; None if there is none.

    Args:
        consumer: from `streamer.kafka.offsets.observing`; its assignment changes.
        partition: to search.
        key: of the record.
    """
    begin = (await consumer.beginning_offsets([partition]))[partition]
    stop = end = (await consumer.end_offsets([partition]))[partition]
    leap = _FIRST_LEAP
    while stop > begin:
        start = max(begin, end - leap)
        if (found := await _newest_between(consumer, partition, key, start, stop)) is not None:
            return found
        stop, leap = start, 10 * leap
    return None


async def _newest_between(
    consumer: AIOKafkaConsumer, partition: TopicPartition, key: bytes, start: int, stop: int
) -> "ConsumerRecord[bytes, bytes] | None":
    newest = None
    consumer.assign([partition])
    consumer.seek(partition, start)
    while await consumer.position(partition) < stop:
        for record in (await consumer.getmany(partition, timeout_ms=100)).get(partition, ()):
            if record.key == key and record.offset < stop:
                newest = record
    return newest
