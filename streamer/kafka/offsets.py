"""The offsets of a source partition: what its topic holds, what the states cover, what is committed, and if they fit.

If they contradict each other, something was deleted or recreated, and continuing would lose or repeat plays: a worker
refuses to start, and `refrain offsets` resolves it. Transactional producers leave offsets without a play, so a count of
offsets is an upper bound on the number of plays.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.wording import plural
from streamer.kafka.clients import running
from streamer.kafka.commits import Commit
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import LOOK_UP_BACKOFF_MS, create_consumer
from streamer.wire.changelog import MARK_KEY, NO_MARK, UNKNOWN_MS, Mark

#: The remedy for every contradiction; `refrain offsets` is in streamer/operations/offsets.py.
REMEDY: Final = (
    "Stop all workers and inspect the offsets with `refrain offsets show`; `refrain offsets reset --to earliest` "
    "continues with the first existing play that the states do not cover, `--to latest` with the next play to arrive"
)

#: The remedy if the states in the changelog are gone: those on disk then belong to no changelog.
CHANGELOG_REMEDY: Final = (
    f"Restore the changelog, or give up its states and delete the state directories of all workers. {REMEDY}"
)

#: How many records of a changelog the search for its newest mark reads first; ten times as many after each failure.
_FIRST_LEAP: Final = 1000

_FETCH_MAX_WAIT_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Offsets:
    """The offsets of one source partition.

    Attributes:
        partition: its number.
        begin: the first offset its topic still holds.
        end: the offset after the last.
        mark: how far the states cover the partition.
        marked_timestamp_ms: of the record now at the mark's offset; None if there is no record.
        commit: of the group; None if there is none.
    """

    partition: int
    begin: int
    end: int
    mark: Mark
    marked_timestamp_ms: int | None
    commit: Commit | None

    @property
    def committed(self) -> int | None:
        """The group's offset; behind the mark there are at most transaction markers before it."""
        return None if self.commit is None else self.commit.offset

    @property
    def covered(self) -> int:
        """The first offset that the states may not cover; a commit that fits is behind markers, which hold no play."""
        return self.mark.offset + 1 if self.is_changelog_lost else max(self.mark.offset + 1, self.committed or 0)

    @property
    def is_changelog_lost(self) -> bool:
        """Whether more is committed than the states cover."""
        return self.commit is not None and self.commit.mark > self.mark.offset

    @property
    def is_recreated(self) -> bool:
        """Whether the topic is not the one the mark was written for."""
        if self.mark.offset >= self.end:
            return self.mark != NO_MARK
        if self.mark.offset < self.begin or self.mark.timestamp_ms == UNKNOWN_MS:
            return False
        return self.marked_timestamp_ms != self.mark.timestamp_ms

    @property
    def num_deleted(self) -> int:
        """The number of deleted offsets that the states do not cover; 0 without a mark, as the topic may be older."""
        return 0 if self.mark == NO_MARK or self.is_recreated else max(0, self.begin - self.covered)

    @property
    def earliest(self) -> int:
        """The first existing offset that the states do not cover."""
        return self.begin if self.is_recreated else max(self.begin, self.mark.offset + 1)

    @property
    def contradiction(self) -> str:
        """Describe the contradiction; empty if there is none."""
        if self.is_changelog_lost:
            return (
                f"offset {self.committed} is committed but the states end at {self.mark.offset}: the changelog was lost"
            )
        if self.is_recreated and self.mark.offset >= self.end:
            return f"ends at offset {self.end}, before the progress mark {self.mark.offset}: the topic was recreated"
        if self.is_recreated:
            return (
                f"the record at offset {self.mark.offset} is not the one that the progress mark covers: "
                "the topic was recreated"
            )
        if self.num_deleted:
            deleted = plural(
                self.num_deleted,
                "play was deleted before it was applied",
                "plays were deleted before they were applied",
            )
            return f"begins at offset {self.begin} but the states end at {self.mark.offset}: {deleted}"
        return ""

    def num_skipped(self, target: int) -> int:
        """Count the offsets that are never applied if the partition continues at `target`."""
        first = self.begin if self.is_recreated or self.mark == NO_MARK else self.covered
        return max(0, target - first)

    def num_answered_again(self, target: int) -> int:
        """Count the offsets below the commit that are applied again, to states that no longer contain them."""
        return max(0, min(self.committed or 0, self.end) - target) if self.is_changelog_lost else 0


def explain(topic: str, partitions: list[Offsets]) -> str:
    """Describe the contradictions of all partitions and the remedy; empty if there are none."""
    wrong = [offsets for offsets in partitions if offsets.contradiction]
    if not wrong:
        return ""
    remedy = CHANGELOG_REMEDY if any(offsets.is_changelog_lost for offsets in wrong) else REMEDY
    return "; ".join(f"{topic}-{offsets.partition}: {offsets.contradiction}" for offsets in wrong) + f". {remedy}"


def mark_before(target: int, timestamp_ms: int | None) -> Mark:
    """Return the mark after which a partition continues at `target`.

    Args:
        target: 0 is the offset of a partition of which nothing was ever applied.
        timestamp_ms: of the record before it; None if that record is gone.
    """
    return Mark(target - 1, UNKNOWN_MS if timestamp_ms is None else timestamp_ms) if target else NO_MARK


def observing(connection: Connection) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
    """Run a consumer for successive look-ups.

    Requests on a connection wait for the fetch before them, hence its short wait. aiokafka hangs if a consumer stops
    right after a change of its assignment: after assigning, read something before leaving the context.
    """
    consumer = create_consumer(
        connection,
        auto_offset_reset="latest",  # records that are deleted during the search are skipped
        fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
        retry_backoff_ms=LOOK_UP_BACKOFF_MS,
    )
    return running(consumer)


async def read_offsets(
    consumer: AIOKafkaConsumer, topic: str, marks: Mapping[int, Mark], commits: Mapping[int, Commit | None]
) -> list[Offsets]:
    """Read the offsets of a topic's partitions, in order of partitions.

    Args:
        consumer: from `observing`; its assignment changes.
        topic: the source topic.
        marks: by partition; these partitions are read.
        commits: of the group, by partition.
    """
    partitions = {number: TopicPartition(topic, number) for number in sorted(marks)}
    ends = await consumer.end_offsets(list(partitions.values()))
    marked = {tp: marks[number].offset for number, tp in partitions.items() if marks[number].offset < ends[tp]}
    timestamps_ms = await timestamps_at(consumer, marked)
    begins = await consumer.beginning_offsets(
        list(partitions.values())
    )  # last: records that expire meanwhile are no contradiction
    return [
        Offsets(
            partition=number, begin=begins[tp], end=ends[tp], mark=marks[number],
            marked_timestamp_ms=timestamps_ms.get(tp), commit=commits.get(number),
        )
        for number, tp in partitions.items()
    ]  # fmt: skip


async def timestamps_at(
    consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int | None]:
    """Return the timestamps, in milliseconds, of the records at offsets below the ends; None where there is no record.

    Args:
        consumer: from `observing`; its assignment changes.
        offsets: by partition; -1 is before the first record.
    """
    timestamps_ms = dict[TopicPartition, int | None].fromkeys(offsets)
    unread = [tp for tp, offset in offsets.items() if offset >= 0]
    if unread:
        _assign(consumer, {tp: offsets[tp] for tp in unread})
    while unread:
        for tp, (first, *_) in (await consumer.getmany(*unread, timeout_ms=100)).items():
            if first.offset == offsets[tp]:
                timestamps_ms[tp] = UNKNOWN_MS if first.timestamp is None else int(first.timestamp)
        unread = [tp for tp in unread if await consumer.position(tp) <= offsets[tp]]
    return timestamps_ms


async def newest_marks(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, Mark]:
    """Return the newest mark of each changelog partition; it is near the end, since each batch writes one.

    Args:
        consumer: from `observing`; its assignment changes.
        partitions: of the changelog.
    """
    begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    marks, starts, leap = dict.fromkeys(partitions, NO_MARK), dict(ends), _FIRST_LEAP
    while searched := [tp for tp in partitions if marks[tp] == NO_MARK and begins[tp] < starts[tp]]:
        starts.update({tp: max(begins[tp], ends[tp] - leap) for tp in searched})
        _assign(consumer, {tp: starts[tp] for tp in searched})
        while unread := [tp for tp in searched if await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(*unread, timeout_ms=100)).items():
                values = [record.value for record in records if record.key == MARK_KEY]
                marks[tp] = Mark.decode(values[-1]) if values else marks[tp]
        leap *= 10
    return marks


def _assign(consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> None:
    consumer.assign(list(starts))
    for tp, start in starts.items():
        consumer.seek(tp, start)
