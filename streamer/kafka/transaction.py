"""The writes of one transaction, for one partition of a batch, and how they are sent."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from streamer.errors import ContractError
from streamer.kafka.fence import Fence
from streamer.kafka.record_batch import RecordBatch, encode_headers, record_batches
from streamer.wire.blobs import Blobs
from streamer.wire.changelog import Mark

_NO_HEADERS = np.frombuffer(encode_headers([]), np.uint8)  # one byte


class Record(NamedTuple):
    """One record to write, to the partition number of its source, whatever its key hashes to."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """The N records of a topic, as columns: each play makes three or more, and objects would cost more than bytes.

    Attributes:
        keys: of the records.
        values: of the records; a missing one is a tombstone.
        headers: of the records, as `record_batch.encode_headers` writes them.
    """

    keys: Blobs
    values: Blobs
    headers: Blobs

    def __len__(self) -> int:
        """Return N."""
        return len(self.keys)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Lay out records as columns."""
        headers = [encode_headers(record.headers) for record in records]
        return cls(
            Blobs.of([record.key for record in records]), Blobs.of([record.value for record in records]),
            Blobs.of(headers),
        )  # fmt: skip

    @classmethod
    def without_headers(cls, keys: Blobs, values: Blobs) -> Self:
        """Join keys and values."""
        joined = np.full(len(keys), _NO_HEADERS[0])
        return cls(keys, values, Blobs.all_present(joined, np.arange(len(keys) + 1)))

    def with_headers(self, headers: Sequence[Sequence[tuple[str, bytes]]]) -> Self:
        """Return the records with other headers, those of each."""
        return type(self)(self.keys, self.values, Blobs.of(list(map(encode_headers, headers))))

    def part(self, first: int, last: int) -> Self:
        """Return the records from `first` to before `last`; nothing is copied."""
        return type(self)(*(column.part(first, last) for column in (self.keys, self.values, self.headers)))

    def to_list(self) -> list[Record]:
        """Return the records as objects, without their headers."""
        return list(map(Record, self.keys.to_list(), self.values.to_list()))


@dataclass(frozen=True, slots=True)
class Writes:
    """The writes of a batch for one partition.

    Attributes:
        partition: number of the source partition, and of every partition written to.
        outputs: records by topic, in the order of their source offsets.
        state_keys: of the changelog and the store.
        states: their records; a missing one forgets a listener.
        num_added: how many more listeners have a state after it than before; negative if more were forgotten.
        mark: the partition's progress after this batch.
    """

    partition: int
    outputs: Mapping[str, Records]
    state_keys: Sequence[bytes]
    states: Blobs
    num_added: int
    mark: Mark


async def write(fence: Fence, batches: Mapping[str, Sequence[RecordBatch]]) -> dict[str, int]:
    """Write record batches in one transaction; return by topic the offset behind the last record.

    Args:
        fence: of the partition.
        batches: by topic, at least one.

    Raises:
        ProducerFenced: another producer has the fence now, or the transaction took too long.
        KafkaError: Kafka refuses, or the outcome is unknown.
    """
    await fence.begin(batches)
    ends = await fence.send(batches)
    await fence.commit()
    return ends


def fit(topic: str, records: Records, max_batch_bytes: int) -> list[RecordBatch]:
    """Encode records as few record batches.

    Args:
        topic: to write to.
        records: at least one.
        max_batch_bytes: the largest record batch that the topic accepts.

    Raises:
        ContractError: a record alone is larger.
    """
    timestamp_ms = int(time.time() * 1000)
    columns = records.keys, records.values, records.headers
    batches = list(record_batches(*columns, timestamp_ms=timestamp_ms, max_bytes=max_batch_bytes))
    if (largest := max(batch.num_bytes for batch in batches)) > max_batch_bytes:
        raise ContractError(
            f"a record of {largest} bytes exceeds max.message.bytes={max_batch_bytes} of topic {topic}; set it with "
            f"`kafka-configs --alter --topic {topic} --add-config max.message.bytes={2 * largest}`"
        )
    return batches
