"""The letters on the dead-letter topic, and which of them have receipts, that is, were re-sent to `plays`."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection, connection_of
from streamer.kafka.consumers import create_consumer, read_until
from streamer.settings import Settings
from streamer.wire.messages import DeadLetterHeaders, ReceiptHeaders

Ends = Mapping[TopicPartition, int]

_Headers = TypeVar("_Headers", DeadLetterHeaders, ReceiptHeaders)


class RecordId(NamedTuple):
    """The position of a record on its topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Return `partition:offset`."""
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        place: its position on the dead-letter topic.
        at_ms: when the play was rejected, ms since the epoch.
        headers: the cause, and the play's position on its topic.
        key: the play's key, possibly truncated.
        value: the play's value, possibly truncated.
        is_sent: whether it has a receipt.
    """

    place: RecordId
    at_ms: int
    headers: DeadLetterHeaders
    key: bytes | None
    value: bytes | None
    is_sent: bool

    @property
    def num_bytes(self) -> int:
        """Size of the play's value before it was truncated."""
        return self.headers.original_size or len(self.value or b"")


@dataclass(frozen=True, slots=True)
class LetterIndex:
    """A snapshot of the topic. Later records are ignored: they may come from plays that were re-sent since.

    Attributes:
        ends: end offset of each partition.
        sent: the letters that have receipts.
        num_foreign: records that are neither letters nor receipts, or that another version wrote differently.
    """

    ends: Ends
    sent: frozenset[RecordId]
    num_foreign: int


async def survey_letters(settings: Settings) -> LetterIndex:
    """Scan the topic for receipts. They follow their letters, so a second read yields the letters one by one.

    Raises:
        ContractError: the topic does not exist.
    """
    ends = await _find_ends(connection_of(settings), settings.dead_letter_topic)
    sent: set[RecordId] = set()
    num_foreign = 0
    async with aclosing(read_until(connection_of(settings), ends)) as records:
        async for record in records:
            if (receipt := _read_headers(record, ReceiptHeaders)) is not None:
                sent.add(RecordId(record.partition, receipt.sent_again))
            elif _read_headers(record, DeadLetterHeaders) is None:
                num_foreign += 1
    return LetterIndex(ends, frozenset(sent), num_foreign)


async def read_letters(settings: Settings, survey: LetterIndex) -> AsyncGenerator[Letter, None]:
    """Yield the letters of a survey, partition by partition, in order."""
    async with aclosing(read_until(connection_of(settings), survey.ends)) as records:
        async for record in records:
            if (headers := _read_headers(record, DeadLetterHeaders)) is not None:
                place = RecordId(record.partition, record.offset)
                is_sent = place in survey.sent
                yield Letter(place, record.timestamp, headers, record.key, record.value, is_sent)


async def count_partitions(connection: Connection, topic: str) -> int:
    """Count the partitions of a topic.

    Raises:
        ContractError: the topic does not exist.
    """
    async with KafkaAdmin(connection) as admin:
        if num_partitions := len(await admin.find_partitions(topic)):
            return num_partitions
    raise ContractError(f"there is no topic {topic}; check the settings, or start a worker, which creates it")


async def _find_ends(connection: Connection, topic: str) -> Ends:
    """Find the end of each partition, open transactions included: a receipt may follow one."""
    partitions = [TopicPartition(topic, number) for number in range(await count_partitions(connection, topic))]
    async with running(create_consumer(connection, isolation_level="read_uncommitted")) as consumer:
        return dict(sorted((await consumer.end_offsets(partitions)).items()))


def _read_headers(record: "ConsumerRecord[bytes, bytes]", kind: type[_Headers]) -> _Headers | None:
    """Parse a record's headers; None if they are not of this kind, since any client may write to the topic."""
    fields = {name: text.decode(errors="replace") for name, text in record.headers if text is not None}
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError:
        return None
