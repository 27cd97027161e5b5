"""Requests in bytes: those of a transaction, whose objects in aiokafka cost more than sending them, and one it lacks.

All of a transaction write to the same partition of every topic, which makes them short.

    take      id, timeout                                         -> throttle, error, producer
    begin     id, producer, topics: name, partitions              -> throttle, topics: name, partitions: error
    append    id, acks, limit, topics: name, partitions: batch    -> topics: name, partitions: error, offset, ...
    commit    id, producer, true                                  -> throttle, error
    leave     group, members: id, identity                        -> throttle, error, members: id, identity, error

Source: https://kafka.apache.org/protocol, in versions that every Kafka from 2.5 to 4.x speaks.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Generic, NamedTuple, TypeVar

_HEADER: Final = struct.Struct(">hhi")
_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")
_PRODUCER: Final = struct.Struct(">qh")
_ACKS_LIMIT_COUNT: Final = struct.Struct(">hii")
_ONE_PARTITION: Final = struct.Struct(">ii")  # the length of the array, and its element
_ONE_BATCH: Final = struct.Struct(">iii")  # the length of the array, the partition, the size of the batch
_ONE_ERROR: Final = struct.Struct(">iih")  # the length of the array, the partition, its error
_ONE_APPENDED: Final = struct.Struct(">iihqqq")  # the same, offset, timestamp, first offset of the partition
_THROTTLE_ERROR: Final = struct.Struct(">ih")
_TAKEN: Final = struct.Struct(">ihqh")

_ALL_REPLICAS: Final = -1
_COMMIT: Final = b"\x01"

Piece = bytes | memoryview
_Answer = TypeVar("_Answer")


class Producer(NamedTuple):
    """A transactional producer.

    Attributes:
        transactional_id: the id that it shares with the producers it fences.
        number: its id at the brokers.
        epoch: tells it from those that it fenced.
    """

    transactional_id: str
    number: int
    epoch: int


class Said(NamedTuple):
    """What a coordinator says.

    Attributes:
        errors: Kafka's numbers of them, for each topic if topics were named; 0 is none.
        number: of the producer, if it was taken.
        epoch: of the producer, if it was taken.
    """

    errors: Sequence[int]
    number: int = -1
    epoch: int = -1


class Appended(NamedTuple):
    """What became of a record batch.

    Attributes:
        error: Kafka's number of an error; 0 is none.
        offset: of its first record.
    """

    error: int
    offset: int


class _Bytes(NamedTuple):
    message: bytes

    def encode(self) -> bytes:
        return self.message


class _Correlation(NamedTuple):
    correlation_id: int


@dataclass(frozen=True, slots=True)
class Request(Generic[_Answer]):
    """A request of one version, as aiokafka's connections take requests.

    Attributes:
        api: Kafka's number of the request, and the version.
        pieces: of its body.
        read: reads the body of the response.
    """

    api: tuple[int, int]
    pieces: Sequence[Piece]
    read: Callable[[bytes], _Answer]

    def prepare(self, _: object) -> "Request[_Answer]":
        """Return the request, as aiokafka asks its own for the version to send."""
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> _Bytes:
        """Return header and body: joined once, they are not copied again."""
        header = _HEADER.pack(*self.api, correlation_id)
        return _Bytes(b"".join((header, _text(client_id), *self.pieces)))

    def encode(self) -> bytes:
        """Return what follows the header: nothing more."""
        return b""

    def parse_response_header(self, response: BytesIO) -> _Correlation:
        """Read the number that the request was sent with."""
        return _Correlation(*_INT32.unpack(response.read(_INT32.size)))

    @property
    def RESPONSE_TYPE(self) -> "Request[_Answer]":  # noqa: N802  aiokafka's name
        """What reads the response."""
        return self

    def decode(self, response: BytesIO) -> _Answer:
        """Read the response behind its header."""
        return self.read(response.read())


def take(transactional_id: str, timeout_ms: int) -> Request[Said]:
    """Return the request for a producer, which fences the one before it and ends its transaction.

    Args:
        transactional_id: the id that they share.
        timeout_ms: of the transactions, milliseconds.
    """
    return Request((22, 0), [_text(transactional_id), _INT32.pack(timeout_ms)], _read_taken)


def begin(producer: Producer, partition: int, topics: Collection[str]) -> Request[Said]:
    """Return the request that begins a transaction, which writes to a partition of some topics."""
    pieces = [_text(producer.transactional_id), _PRODUCER.pack(*producer[1:]), _INT32.pack(len(topics))]
    for topic in topics:
        pieces += _text(topic), _ONE_PARTITION.pack(1, partition)
    return Request((24, 0), pieces, _read_begun)


def append(
    producer: Producer, partition: int, batches: Mapping[str, memoryview], limit_ms: int
) -> Request[dict[str, Appended]]:
    """Return the request that appends a record batch to each topic; its answer is by topic.

    Args:
        producer: in a transaction with these topics.
        partition: of every topic.
        batches: by topic, as encoded for the producer.
        limit_ms: how long the leader may wait for the other replicas, milliseconds.
    """
    pieces: list[Piece] = [
        _text(producer.transactional_id), _ACKS_LIMIT_COUNT.pack(_ALL_REPLICAS, limit_ms, len(batches)),
    ]  # fmt: skip
    for topic, batch in batches.items():
        pieces += _text(topic), _ONE_BATCH.pack(1, partition, len(batch)), batch
    return Request((0, 7), pieces, _read_appended)


def commit(producer: Producer) -> Request[Said]:
    """Return the request that commits a transaction."""
    pieces = [_text(producer.transactional_id), _PRODUCER.pack(*producer[1:]), _COMMIT]
    return Request((26, 0), pieces, _read_committed)


def leave(group_id: str, member_id: str, identity: str) -> Request[int]:
    """Return the request by which a static member leaves its group; its answer is Kafka's number of an error."""
    return Request((13, 3), [_text(group_id), _INT32.pack(1), _text(member_id), _text(identity)], _read_left)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _INT16.pack(len(encoded)) + encoded


def _topic(response: bytes, at: int) -> tuple[str, int]:
    """Return the name at a place, and the place behind it."""
    begin = at + _INT16.size
    end = begin + _INT16.unpack_from(response, at)[0]
    return response[begin:end].decode(), end


def _read_taken(response: bytes) -> Said:
    _, error, number, epoch = _TAKEN.unpack(response)
    return Said([error], number, epoch)


def _read_begun(response: bytes) -> Said:
    (num_topics,), at, errors = _INT32.unpack_from(response, 4), 8, []
    for _ in range(num_topics):
        _, at = _topic(response, at)
        errors.append(_ONE_ERROR.unpack_from(response, at)[2])
        at += _ONE_ERROR.size
    return Said(errors)


def _read_committed(response: bytes) -> Said:
    return Said([_THROTTLE_ERROR.unpack(response)[1]])


def _read_left(response: bytes) -> int:
    _, error = _THROTTLE_ERROR.unpack_from(response)
    return int(error or _INT16.unpack(response[-_INT16.size :])[0])  # the member's own error comes last


def _read_appended(response: bytes) -> dict[str, Appended]:
    (num_topics,), at, appended = _INT32.unpack_from(response), 4, {}
    for _ in range(num_topics):
        topic, at = _topic(response, at)
        appended[topic] = Appended(*_ONE_APPENDED.unpack_from(response, at)[2:4])
        at += _ONE_APPENDED.size
    return appended
