"""The writes of one transaction, for one partition of a batch, and how they are sent."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from streamer.errors import ContractError
from streamer.wire.changelog import Item, Mark


class Record(NamedTuple):
    """One record to write, to the partition number of its source, whatever its key hashes to.

    A tuple, because each play makes three or more, and a frozen dataclass takes longer to create.
    """

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012  aiokafka requires a list; it is never changed


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes of a batch for one partition.

    Attributes:
        partition: number of the source partition, and of every partition written to.
        outputs: records by topic, in the order of their source offsets.
        states: changelog keys and records; None forgets a listener.
        num_added: how many more listeners have a state after it than before; negative if more were forgotten.
        mark: the partition's progress after this batch.
    """

    partition: int
    outputs: Mapping[str, Sequence[Record]]
    states: Sequence[Item]
    num_added: int
    mark: Mark


async def send(
    fence: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record], *, max_batch_bytes: int
) -> "list[tuple[asyncio.Future[RecordMetadata], int]]":
    """Send records in as few record batches as possible; return each batch's delivery and its number of records.

    Args:
        fence: in a transaction.
        topic: to write to.
        partition: to write to.
        records: at least one.
        max_batch_bytes: the largest record batch that the topic accepts.

    Raises:
        ContractError: a record alone is larger; nothing was sent.
    """
    deliveries = []
    batches = list(_batches(records, max_batch_bytes))
    if (largest := max(batch.size() for batch in batches)) > max_batch_bytes:
        raise ContractError(
            f"a record of {largest} bytes exceeds max.message.bytes={max_batch_bytes} of topic {topic}; set it with "
            f"`kafka-configs --alter --topic {topic} --add-config max.message.bytes={2 * largest}`"
        )
    for batch in batches:
        count = batch.record_count()
        deliveries.append((await fence.send_batch(batch, topic, partition=partition), count))
    return deliveries


def _batches(records: Sequence[Record], max_batch_bytes: int) -> Iterator[BatchBuilder]:
    builder = BatchBuilder(max_batch_bytes, 0, is_transactional=True)  # `create_batch` has one size for all topics
    for key, value, headers in records:
        if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:  # full: start the next
            builder.close()
            yield builder
            builder = BatchBuilder(max_batch_bytes, 0, is_transactional=True)
            builder.append(timestamp=None, key=key, value=value, headers=headers)
    builder.close()
    yield builder
