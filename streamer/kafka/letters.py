"""The letters on the topic of dead letters, and what was done with them: sent again, removed, superseded.

A letter is listed unless it was removed, or its listener was forgotten after it, or it was re-sent and the play was
rejected again: then the next letter stands for it, so that sending again and again does not multiply letters.
"""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord, TopicPartition

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import NO_RESTS, Rests, create_consumer, read_until
from streamer.kafka.extent import Ends, Extent
from streamer.wire.forgetting import ForgetRequest, Names
from streamer.wire.letters import (
    DeadLetterHeaders,
    DiscardHeaders,
    ForgetHeaders,
    ReceiptHeaders,
    RecordId,
    read_headers,
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        place: its position on the topic of dead letters.
        at_ms: when the play was rejected, ms since the epoch.
        headers: the cause, and the play's position on its topic.
        key: the play's key, possibly truncated.
        value: the play's value, possibly truncated.
        has_own_key: whether a null value can remove it alone; letters of earlier versions have the key of their play.
        is_sent: whether it has a receipt.
    """

    place: RecordId
    at_ms: int
    headers: DeadLetterHeaders
    key: bytes | None
    value: bytes | None
    has_own_key: bool = True
    is_sent: bool = False

    @property
    def num_bytes(self) -> int:
        """Size of the play's value before it was truncated."""
        return self.headers.original_size or len(self.value or b"")


@dataclass(slots=True)
class LetterIndex:
    """A snapshot of the topic. Later records are ignored: they may come from plays that were re-sent since.

    Attributes:
        ends: end offset of each partition.
        starts: where it begins; partitions that are absent are read from their beginning.
        num_before: offsets before that, which it says nothing of.
        rests: of whoever reads it.
        sent: the letters that have receipts.
        superseded: the letters from which plays were re-sent that are letters again.
        discarded: the letters of earlier versions that were removed.
        removed_at: by partition and key, the offset of the latest null value.
        requests: to remove the letters of forgotten listeners, by partition and key; those not yet served.
        num_foreign: records that are none of these, or that another version wrote differently.
        num_records: all records, of letters and of what was done with them.
    """

    ends: Ends
    starts: Ends = field(default_factory=dict)
    num_before: int = 0
    rests: Rests = NO_RESTS
    sent: set[RecordId] = field(default_factory=set)
    superseded: set[RecordId] = field(default_factory=set)
    discarded: set[RecordId] = field(default_factory=set)
    removed_at: dict[tuple[int, bytes], int] = field(default_factory=dict)
    requests: dict[tuple[int, bytes], ForgetRequest] = field(default_factory=dict)
    num_foreign: int = 0
    num_records: int = 0

    def add(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        """Take note of the next record of a partition."""
        self.num_records += 1
        if record.value is None and record.key is not None and read_letter(record) is None:
            self.removed_at[record.partition, record.key] = record.offset
            self.requests.pop((record.partition, record.key), None)
        elif (receipt := read_headers(record.headers, ReceiptHeaders)) is not None:
            self.sent.add(RecordId(record.partition, receipt.sent_again))
        elif (discard := read_headers(record.headers, DiscardHeaders)) is not None:
            self.discarded.add(RecordId(record.partition, discard.discarded))
        elif (request := read_request(record)) is not None:
            self.requests[record.partition, request.key] = request
        elif (letter := read_letter(record)) is None:
            self.num_foreign += 1
        elif letter.headers.letter is not None:
            self.superseded.add(RecordId.parse(letter.headers.letter))

    def is_gone(self, letter: Letter) -> bool:
        """Return whether a letter was removed, or is superseded by one that came of sending it again."""
        removed_at = self.removed_at.get((letter.place.partition, letter.headers.record_key), -1)
        is_superseded = letter.place in self.superseded and letter.place in self.sent  # a header alone hides nothing
        return (
            letter.place in self.discarded or is_superseded or (letter.has_own_key and removed_at > letter.place.offset)
        )


async def survey_letters(connection: Connection, topic: str, extent: Extent | None = None) -> LetterIndex:
    """Scan the topic for what was done with letters, which follows them; a second read yields them one by one.

    Args:
        connection: to Kafka.
        topic: of dead letters.
        extent: how far back it is scanned; None: all of it.

    Raises:
        ContractError: the topic does not exist.
        TooFarBackError: a letter is further back than that.
    """
    index = await _create_index(connection, topic, extent)
    async with aclosing(read_until(connection, index.ends, starts=index.starts, rests=index.rests)) as records:
        async for record in records:
            index.add(record)
    return index


async def _create_index(connection: Connection, topic: str, extent: Extent | None) -> LetterIndex:
    ends = await find_ends(connection, topic)
    if extent is None:
        return LetterIndex(ends)
    async with running(create_consumer(connection)) as consumer:
        begins = await consumer.beginning_offsets(list(ends))
    starts = extent.starts(begins, ends)
    return LetterIndex(ends, starts, sum(starts[each] - begins[each] for each in starts), extent.rests)


async def read_letters(
    connection: Connection, index: LetterIndex, show: Callable[[int], None] = lambda _: None
) -> AsyncGenerator[Letter, None]:
    """Yield the letters of a survey that are not gone, partition by partition, in order.

    Args:
        connection: to Kafka.
        index: of the survey.
        show: called with how many of its records have been read.
    """
    forgotten = Names(index.requests.values())
    async with aclosing(read_until(connection, index.ends, starts=index.starts, rests=index.rests)) as records:
        num_read = 0
        async for record in records:
            num_read += 1
            show(num_read)
            letter = read_letter(record, index.sent)
            if (
                letter is not None
                and not index.is_gone(letter)
                and not forgotten.is_forgotten(letter.place, letter.key, letter.value)
            ):
                yield letter


def read_letter(record: "ConsumerRecord[bytes, bytes]", sent: Collection[RecordId] = ()) -> Letter | None:
    """Read a record; None if it is not a letter.

    Args:
        record: of the topic of dead letters.
        sent: the letters that have receipts.
    """
    headers = read_headers(record.headers, DeadLetterHeaders)
    if headers is None:
        return None
    place = RecordId(record.partition, record.offset)
    if record.key == headers.record_key:
        key, value = headers.play_key, None if headers.null_value else record.value
        return Letter(place, record.timestamp, headers, key, value, is_sent=place in sent)
    is_sent = place in sent
    return Letter(place, record.timestamp, headers, record.key, record.value, has_own_key=False, is_sent=is_sent)


def read_request(record: "ConsumerRecord[bytes, bytes]") -> ForgetRequest | None:
    """Read a record; None if it is not a request to remove a listener's letters."""
    if read_headers(record.headers, ForgetHeaders) is None or record.key is None or record.value is None:
        return None
    return ForgetRequest(RecordId(record.partition, record.offset), record.key, record.value)


async def count_partitions(connection: Connection, topic: str) -> int:
    """Count the partitions of a topic.

    Raises:
        ContractError: the topic does not exist.
    """
    async with KafkaAdmin(connection) as admin:
        if num_partitions := len(await admin.find_partitions(topic)):
            return num_partitions
    raise ContractError(f"there is no topic {topic}; check the settings, or start a worker, which creates it")


async def find_ends(connection: Connection, topic: str) -> Ends:
    """Find the end of each partition, open transactions included: a receipt may follow one.

    Raises:
        ContractError: the topic does not exist.
    """
    partitions = [TopicPartition(topic, number) for number in range(await count_partitions(connection, topic))]
    async with running(create_consumer(connection, isolation_level="read_uncommitted")) as consumer:
        return dict(sorted((await consumer.end_offsets(partitions)).items()))
