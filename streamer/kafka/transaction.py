"""What one transaction writes of a batch and partition, and how it is sent."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from streamer.wire.changelog import Item, Mark


class Record(NamedTuple):
    """One record to be written: to the partition of its source, whatever its key hashes to.

    A tuple, for there are three or more a play, and a frozen dataclass takes longer to make.
    """

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012  aiokafka takes nothing but a list; nobody adds to it


@dataclass(frozen=True, slots=True)
class Writes:
    """What a batch writes of one partition.

    Attributes:
        partition: number of the source partition, and of all that is written.
        outputs: records by topic, in the order of their source offsets.
        states: changelog keys and records; None forgets a listener.
        mark: how far the partition has come with this batch.
    """

    partition: int
    outputs: Mapping[str, Sequence[Record]]
    states: Sequence[Item]
    mark: Mark


async def send(
    fence: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]
) -> "list[tuple[asyncio.Future[RecordMetadata], int]]":
    """Send records in as few record batches as fit; return the delivery of each, and how many records it holds."""
    deliveries = []
    for batch in _batches(fence, records):
        count = batch.record_count()
        deliveries.append((await fence.send_batch(batch, topic, partition=partition), count))
    return deliveries


def _batches(fence: AIOKafkaProducer, records: Sequence[Record]) -> Iterator[BatchBuilder]:
    builder = fence.create_batch()
    for key, value, headers in records:
        if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:  # full: the next begins
            builder.close()
            yield builder
            builder = fence.create_batch()
            builder.append(timestamp=None, key=key, value=value, headers=headers)
    builder.close()
    yield builder
