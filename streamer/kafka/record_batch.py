"""A record batch of Kafka's format 2, written from columns by one kernel.

aiokafka appends record by record, from Python objects: 1.6 us for each of the three or more records of a play. Here a
kernel writes all of them in one pass. The producer's part is added when it sends the batch.

    batch    base offset i64, length i32, leader epoch i32, format i8, crc32c u32, attributes i16, last offset i32,
             first and last timestamp i64, producer id i64, its epoch i16, first sequence number i32, records i32
    record   length, 0, timestamp - first, number in the batch, key, value, headers; all numbers are varints,
             and keys and values begin with their length, -1 if missing

Source: https://kafka.apache.org/documentation/#recordbatch
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from streamer.kafka.checksum import checksum
from streamer.wire.blobs import Blobs
from streamer.wire.puts import Bytes, put_bytes, put_varint, varint_size

Int64s = NDArray[np.int64]
Flags = NDArray[np.bool_]

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_FORMAT, _TRANSACTIONAL, _NO_EPOCH = 2, 0x10, -1
_CRC_FROM: Final = struct.calcsize(">qiibI")  # the checksum covers what follows it
_UNCOUNTED: Final = struct.calcsize(">qi")  # the length counts what follows it
_MOST_NUMBERS_BYTES: Final = 22  # of a record: length, attributes, timestamp, number, two lengths


class RecordBatch:
    """A batch of records, ready to send but for its producer.

    Args:
        records: as in the format, behind a gap for the header.
        count: of the records.
        timestamp_ms: of all the records, ms since the epoch.
    """

    def __init__(self, records: NDArray[np.uint8], count: int, timestamp_ms: int) -> None:
        self._buffer = records
        self._timestamp_ms = timestamp_ms
        self.num_records = count

    @property
    def num_bytes(self) -> int:
        """The size of the batch."""
        return len(self._buffer)

    def encode(self, producer_id: int, producer_epoch: int, first_number: int) -> memoryview:
        """Return the bytes, valid until they are encoded again.

        Args:
            producer_id: of the producer that sends it.
            producer_epoch: of the producer.
            first_number: how many records the producer has sent to the partition before, modulo 2**31.
        """
        counted, count, at_ms = len(self._buffer) - _UNCOUNTED, self.num_records, self._timestamp_ms
        header = (_TRANSACTIONAL, count - 1, at_ms, at_ms, producer_id, producer_epoch, first_number, count)
        _HEADER.pack_into(self._buffer.data, 0, 0, counted, _NO_EPOCH, _FORMAT, 0, *header)
        crc = checksum(self._buffer, _CRC_FROM)
        _HEADER.pack_into(self._buffer.data, 0, 0, counted, _NO_EPOCH, _FORMAT, crc, *header)
        return self._buffer.data


def record_batches(
    keys: Blobs, values: Blobs, headers: Blobs, *, timestamp_ms: int, max_bytes: int
) -> Iterator[RecordBatch]:
    """Yield as few transactional batches as hold the records; one that holds a single record may exceed the limit.

    Args:
        keys: of N records.
        values: of the records.
        headers: of the records, as `encode_headers` writes them.
        timestamp_ms: of the records, ms since the epoch.
        max_bytes: of a batch.
    """
    sizes = keys.lengths + values.lengths + headers.lengths + _MOST_NUMBERS_BYTES
    ends = np.cumsum(sizes)
    first, written = 0, 0
    while first < len(keys):
        last = max(first + 1, int(np.searchsorted(ends, written + max_bytes - _HEADER.size, side="right")))
        buffer = np.empty(_HEADER.size + int(ends[last - 1]) - written, np.uint8)
        end = _write_records(
            buffer, _HEADER.size, first, last,
            keys.joined, keys.bounds, keys.missing,
            values.joined, values.bounds, values.missing,
            headers.joined, headers.bounds,
        )  # fmt: skip
        yield RecordBatch(buffer[:end], last - first, timestamp_ms)
        first, written = last, int(ends[last - 1])


def encode_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Write the headers of a record."""
    fields = [_varint(len(headers))]
    for name, value in headers:
        encoded = name.encode()
        fields += [_varint(len(encoded)), encoded, _varint(len(value)), value]
    return b"".join(fields)


@compiled
def _write_records(  # noqa: PLR0917  a kernel takes arrays
    out: Bytes, at: int, first: int, last: int,
    keys: Bytes, key_bounds: Int64s, key_missing: Flags,
    values: Bytes, value_bounds: Int64s, value_missing: Flags,
    headers: Bytes, header_bounds: Int64s,
) -> int:  # fmt: skip
    """Write the records from `first` to before `last`, and return where they end."""
    for record in range(first, last):
        key_begin, value_begin, header_begin = key_bounds[record], value_bounds[record], header_bounds[record]
        key_size, value_size = key_bounds[record + 1] - key_begin, value_bounds[record + 1] - value_begin
        header_size = header_bounds[record + 1] - header_begin
        key_length, value_length = -1 if key_missing[record] else key_size, -1 if value_missing[record] else value_size
        number = record - first
        length = 2 + varint_size(number) + varint_size(key_length) + varint_size(value_length)
        at = put_varint(out, at, length + key_size + value_size + header_size)
        out[at] = out[at + 1] = 0  # attributes, and the timestamp after the first
        at = put_varint(out, at + 2, number)
        at = put_bytes(out, put_varint(out, at, key_length), keys, key_begin, key_size)
        at = put_bytes(out, put_varint(out, at, value_length), values, value_begin, value_size)
        at = put_bytes(out, at, headers, header_begin, header_size)
    return at


def _varint(number: int) -> bytes:
    buffer = np.zeros(10, np.uint8)
    return buffer[: put_varint(buffer, 0, number)].tobytes()
