"""The letters on the topic of dead letters, and which of them have a receipt: they were sent to `plays` again."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.consumers import create_consumer, read_until
from streamer.settings import Settings
from streamer.wire.messages import DeadLetterHeaders, ReceiptHeaders

Ends = Mapping[TopicPartition, int]

_Headers = TypeVar("_Headers", DeadLetterHeaders, ReceiptHeaders)


class RecordId(NamedTuple):
    """Where a letter stands on its topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Write it."""
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        place: where it stands.
        at_ms: when the play was refused, ms since the epoch.
        headers: why, and where the play stood.
        key: the play's, perhaps cut.
        value: the play's, perhaps cut.
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
        """Bytes of the play's value, before it was cut."""
        return self.headers.original_size or len(self.value or b"")


@dataclass(frozen=True, slots=True)
class LetterIndex:
    """What stood on the topic at one moment. What came later is of no concern: it may be of a play sent again since.

    Attributes:
        ends: where each partition ended.
        sent: the letters that have a receipt.
        num_foreign: records that are neither letters nor receipts, or of another version's wording.
    """

    ends: Ends
    sent: frozenset[RecordId]
    num_foreign: int


async def survey_letters(settings: Settings) -> LetterIndex:
    """Read the topic for receipts: they stand behind their letters, which are read a second time, one by one.

    Raises:
        ContractError: there is no such topic.
    """
    ends = await _find_ends(settings.kafka_bootstrap_servers, settings.dead_letter_topic)
    sent: set[RecordId] = set()
    num_foreign = 0
    async with aclosing(read_until(settings.kafka_bootstrap_servers, ends)) as records:
        async for record in records:
            if (receipt := _read_headers(record, ReceiptHeaders)) is not None:
                sent.add(RecordId(record.partition, receipt.sent_again))
            elif _read_headers(record, DeadLetterHeaders) is None:
                num_foreign += 1
    return LetterIndex(ends, frozenset(sent), num_foreign)


async def read_letters(settings: Settings, survey: LetterIndex) -> AsyncGenerator[Letter, None]:
    """Yield the letters of a survey, partition by partition, in order."""
    async with aclosing(read_until(settings.kafka_bootstrap_servers, survey.ends)) as records:
        async for record in records:
            if (headers := _read_headers(record, DeadLetterHeaders)) is not None:
                place = RecordId(record.partition, record.offset)
                is_sent = place in survey.sent
                yield Letter(place, record.timestamp, headers, record.key, record.value, is_sent)


async def count_partitions(bootstrap_servers: str, topic: str) -> int:
    """Count the partitions of a topic.

    Raises:
        ContractError: there is none of this name.
    """
    async with KafkaAdmin(bootstrap_servers) as admin:
        if num_partitions := len(await admin.find_partitions(topic)):
            return num_partitions
    raise ContractError(f"there is no topic {topic}; check the settings, or start a worker, which makes it")


async def _find_ends(bootstrap_servers: str, topic: str) -> Ends:
    """Say where each partition ends, transactions still open included: a receipt may stand behind one."""
    partitions = [TopicPartition(topic, number) for number in range(await count_partitions(bootstrap_servers, topic))]
    async with running(create_consumer(bootstrap_servers, isolation_level="read_uncommitted")) as consumer:
        return dict(sorted((await consumer.end_offsets(partitions)).items()))


def _read_headers(record: "ConsumerRecord[bytes, bytes]", kind: type[_Headers]) -> _Headers | None:
    """Read what headers say; None where they do not say it: anybody may write to a topic."""
    told = {name: text.decode(errors="replace") for name, text in record.headers if text is not None}
    try:
        return msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError:
        return None
