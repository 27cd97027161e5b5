"""The offsets of a source partition: what its topic holds, what the states cover, what is committed, if they fit.

Where they contradict each other something was deleted or made anew, and going on would lose or repeat plays: a worker
refuses, and `refrain offsets` mends it. Transactional producers leave offsets without a play, so that counts of offsets
are counts of plays at most.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.kafka.clients import running
from streamer.kafka.consumers import create_consumer
from streamer.wire.changelog import MARK_KEY, NO_MARK, Mark

#: What mends every contradiction; `refrain offsets` is in streamer/operations/offsets.py.
REMEDY: Final = (
    "Stop all workers and look with `refrain offsets show`; `refrain offsets reset --to earliest` goes on with the "
    "first play there is that the states do not cover, `--to latest` with the next one to come"
)

#: What has to be done first where the states in the changelog are gone: those on disk belong to no changelog any more.
CHANGELOG_REMEDY: Final = (
    f"Restore the changelog; or give its states up and delete the state directories of all workers. {REMEDY}"
)

#: The timestamp of a mark whose record nobody can look at any more: there is nothing to compare.
_UNKNOWN_MS: Final = -1

#: How much of a changelog is read in search of its newest mark, records; ten times as much each time there is none.
_FIRST_LEAP: Final = 1000

_FETCH_MAX_WAIT_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Offsets:
    """Where a source partition stands.

    Attributes:
        partition: its number.
        begin: the first offset its topic still holds.
        end: the offset behind the last.
        mark: what the states cover.
        marked_timestamp_ms: of the record that is now at the mark's offset; None where there is none.
        committed: the group's offset, which trails the mark or stands right behind it; None: there is none.
    """

    partition: int
    begin: int
    end: int
    mark: Mark
    marked_timestamp_ms: int | None
    committed: int | None

    @property
    def is_changelog_lost(self) -> bool:
        """More was committed than the states cover."""
        return self.committed is not None and self.committed > self.mark.offset + 1

    @property
    def is_recreated(self) -> bool:
        """The topic is not the one the mark was made on."""
        if self.mark.offset >= self.end:
            return self.mark != NO_MARK
        if self.mark.offset < self.begin or self.mark.timestamp_ms == _UNKNOWN_MS:
            return False
        return self.marked_timestamp_ms != self.mark.timestamp_ms

    @property
    def num_deleted(self) -> int:
        """How many offsets are gone that the states do not cover; of a topic older than the deployment none counts."""
        return 0 if self.mark == NO_MARK or self.is_recreated else max(0, self.begin - self.mark.offset - 1)

    @property
    def earliest(self) -> int:
        """The first offset there is that the states do not cover."""
        return self.begin if self.is_recreated else max(self.begin, self.mark.offset + 1)

    @property
    def contradiction(self) -> str:
        """Say what does not fit; empty where everything does."""
        if self.is_changelog_lost:
            return (
                f"offset {self.committed} is committed but the states end at {self.mark.offset}: the changelog was lost"
            )
        if self.is_recreated and self.mark.offset >= self.end:
            return f"ends at offset {self.end}, before the progress mark {self.mark.offset}: the topic was made anew"
        if self.is_recreated:
            return (
                f"holds another record at offset {self.mark.offset} than the one the progress mark covers: "
                "the topic was made anew"
            )
        if self.num_deleted:
            return (
                f"begins at offset {self.begin} but the states end at {self.mark.offset}: "
                f"{self.num_deleted} plays were deleted before they were applied"
            )
        return ""

    def num_skipped(self, target: int) -> int:
        """Count the offsets that are never applied if the partition goes on at `target`."""
        first = self.begin if self.is_recreated or self.mark == NO_MARK else self.mark.offset + 1
        return max(0, target - first)

    def num_answered_again(self, target: int) -> int:
        """Count the offsets below the commit that are applied again, to states that no longer know of them."""
        return max(0, min(self.committed or 0, self.end) - target) if self.is_changelog_lost else 0


def explain(topic: str, found: list[Offsets]) -> str:
    """Say of all partitions what does not fit, then what mends it; empty where everything does."""
    wrong = [offsets for offsets in found if offsets.contradiction]
    if not wrong:
        return ""
    mend = CHANGELOG_REMEDY if any(offsets.is_changelog_lost for offsets in wrong) else REMEDY
    return "; ".join(f"{topic}-{offsets.partition}: {offsets.contradiction}" for offsets in wrong) + f". {mend}"


def mark_before(target: int, timestamp_ms: int | None) -> Mark:
    """Return the mark behind which a partition goes on at `target`.

    Args:
        target: 0: as if nothing had ever been done.
        timestamp_ms: of the record before it; None where there is none any more.
    """
    return Mark(target - 1, _UNKNOWN_MS if timestamp_ms is None else timestamp_ms) if target else NO_MARK


def observing(bootstrap_servers: str) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
    """Run a consumer that looks at one thing after another.

    Requests on a connection wait for the fetch before them, hence its short wait. aiokafka hangs when a consumer stops
    right after a change of its assignment: after assigning, read something before leaving the context.
    """
    consumer = create_consumer(
        bootstrap_servers,
        auto_offset_reset="latest",  # records that are deleted while they are searched are passed over
        fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
    )
    return running(consumer)


async def read_offsets(
    consumer: AIOKafkaConsumer, topic: str, marks: Mapping[int, Mark], committed: Mapping[int, int | None]
) -> list[Offsets]:
    """Look where the partitions of a topic stand, in their order.

    Args:
        consumer: that observes; what it is assigned changes.
        topic: the source topic.
        marks: by partition; these partitions are looked at.
        committed: the group's offsets, by partition.
    """
    partitions = {number: TopicPartition(topic, number) for number in sorted(marks)}
    ends = await consumer.end_offsets(list(partitions.values()))
    marked = {tp: marks[number].offset for number, tp in partitions.items() if marks[number].offset < ends[tp]}
    timestamps_ms = await timestamps_at(consumer, marked)
    begins = await consumer.beginning_offsets(list(partitions.values()))  # last: what ages away meanwhile is no change
    return [
        Offsets(
            partition=number, begin=begins[tp], end=ends[tp], mark=marks[number],
            marked_timestamp_ms=timestamps_ms.get(tp), committed=committed.get(number),
        )
        for number, tp in partitions.items()
    ]  # fmt: skip


async def timestamps_at(
    consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int | None]:
    """Return the timestamps of the records at offsets below the ends, milliseconds; None where there is none.

    Args:
        consumer: that observes; what it is assigned changes.
        offsets: by partition; -1: before the first record.
    """
    found = dict[TopicPartition, int | None].fromkeys(offsets)
    unread = [tp for tp, offset in offsets.items() if offset >= 0]
    if unread:
        _assign(consumer, {tp: offsets[tp] for tp in unread})
    while unread:
        for tp, (first, *_) in (await consumer.getmany(*unread, timeout_ms=100)).items():
            if first.offset == offsets[tp]:
                found[tp] = int(first.timestamp)
        unread = [tp for tp in unread if await consumer.position(tp) <= offsets[tp]]
    return found


async def newest_marks(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, Mark]:
    """Return the newest mark of each changelog partition; it stands near the end, each batch brings one.

    Args:
        consumer: that observes; what it is assigned changes.
        partitions: of the changelog.
    """
    begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    marks, starts, leap = dict.fromkeys(partitions, NO_MARK), dict(ends), _FIRST_LEAP
    while searched := [tp for tp in partitions if marks[tp] == NO_MARK and begins[tp] < starts[tp]]:
        starts.update({tp: max(begins[tp], ends[tp] - leap) for tp in searched})
        _assign(consumer, {tp: starts[tp] for tp in searched})
        while unread := [tp for tp in searched if await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(*unread, timeout_ms=100)).items():
                found = [record.value for record in records if record.key == MARK_KEY]
                marks[tp] = Mark.decode(found[-1]) if found else marks[tp]
        leap *= 10
    return marks


def _assign(consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> None:
    consumer.assign(list(starts))
    for tp, start in starts.items():
        consumer.seek(tp, start)
