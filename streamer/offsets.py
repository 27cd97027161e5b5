"""The offsets of a source partition: what its topic holds, what the states cover, what is committed, if they fit.

Where they contradict each other something was deleted or made anew, and going on would lose or repeat plays: a worker
refuses, and `refrain offsets` mends it. Transactional producers leave offsets without a play, so that counts of offsets
are counts of plays at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.changelog import MARK_KEY, NO_MARK, Mark

#: What mends every contradiction; `refrain offsets` is in streamer/reset.py.
MEND: Final = (
    "Stop all workers and look with `refrain offsets show`; `refrain offsets reset --to earliest` goes on with the "
    "first play there is that the states do not cover, `--to latest` with the next one to come"
)

#: What has to be done first where the states in the changelog are gone: those on disk belong to no changelog any more.
MEND_CHANGELOG: Final = (
    f"Restore the changelog; or give its states up and delete the state directories of all workers. {MEND}"
)

#: The timestamp of a mark whose record nobody can look at any more: there is nothing to compare.
_UNKNOWN_MS: Final = -1

#: How much of a changelog is read in search of its newest mark, records; ten times as much each time there is none.
_FIRST_LEAP: Final = 1000


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
    def is_made_anew(self) -> bool:
        """The topic is not the one the mark was made on."""
        if self.mark.offset >= self.end:
            return self.mark != NO_MARK
        if self.mark.offset < self.begin or self.mark.timestamp_ms == _UNKNOWN_MS:
            return False
        return self.marked_timestamp_ms != self.mark.timestamp_ms

    @property
    def num_deleted(self) -> int:
        """How many offsets are gone that the states do not cover; of a topic older than the deployment none counts."""
        return 0 if self.mark == NO_MARK or self.is_made_anew else max(0, self.begin - self.mark.offset - 1)

    @property
    def earliest(self) -> int:
        """The first offset there is that the states do not cover."""
        return self.begin if self.is_made_anew else max(self.begin, self.mark.offset + 1)

    @property
    def contradiction(self) -> str:
        """Say what does not fit; empty where everything does."""
        if self.is_changelog_lost:
            return (
                f"offset {self.committed} is committed but the states end at {self.mark.offset}: the changelog was lost"
            )
        if self.is_made_anew and self.mark.offset >= self.end:
            return f"ends at offset {self.end}, before the progress mark {self.mark.offset}: the topic was made anew"
        if self.is_made_anew:
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

    def num_passed_over(self, target: int) -> int:
        """Count the offsets that are never applied if the partition goes on at `target`."""
        first = self.begin if self.is_made_anew or self.mark == NO_MARK else self.mark.offset + 1
        return max(0, target - first)

    def num_answered_again(self, target: int) -> int:
        """Count the offsets below the commit that are applied again, to states that no longer know of them."""
        return max(0, min(self.committed or 0, self.end) - target) if self.is_changelog_lost else 0


def explain(topic: str, found: list[Offsets]) -> str:
    """Say of all partitions what does not fit, then what mends it; empty where everything does."""
    wrong = [offsets for offsets in found if offsets.contradiction]
    if not wrong:
        return ""
    mend = MEND_CHANGELOG if any(offsets.is_changelog_lost for offsets in wrong) else MEND
    return "; ".join(f"{topic}-{offsets.partition}: {offsets.contradiction}" for offsets in wrong) + f". {mend}"


def mark_before(target: int, timestamp_ms: int | None) -> Mark:
    """Return the mark behind which a partition goes on at `target`.

    Args:
        target: 0: as if nothing had ever been done.
        timestamp_ms: of the record before it; None where there is none any more.
    """
    return Mark(target - 1, _UNKNOWN_MS if timestamp_ms is None else timestamp_ms) if target else NO_MARK


async def read_offsets(
    consumer: AIOKafkaConsumer, topic: str, marks: Mapping[int, Mark], committed: Mapping[int, int | None]
) -> list[Offsets]:
    """Look where the partitions of a topic stand, in their order.

    Args:
        consumer: outside of any group; what it is assigned changes.
        topic: the source topic.
        marks: by partition; these partitions are looked at.
        committed: the group's offsets, by partition.
    """
    partitions = {number: TopicPartition(topic, number) for number in sorted(marks)}
    ends = await consumer.end_offsets(list(partitions.values()))
    timestamps = {
        number: await timestamp_at(consumer, partition, marks[number].offset)
        for number, partition in partitions.items()
        if marks[number].offset < ends[partition]
    }
    begins = await consumer.beginning_offsets(list(partitions.values()))  # last: what ages away meanwhile is no change
    return [
        Offsets(
            partition=number, begin=begins[partition], end=ends[partition], mark=marks[number],
            marked_timestamp_ms=timestamps.get(number), committed=committed.get(number),
        )
        for number, partition in partitions.items()
    ]  # fmt: skip


async def timestamp_at(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> int | None:
    """Return the timestamp of the record at an offset below the end, milliseconds; None where there is none."""
    if offset < 0:
        return None
    consumer.assign([partition])
    consumer.seek(partition, offset)
    while await consumer.position(partition) <= offset:
        for record in (await consumer.getmany(partition, timeout_ms=100, max_records=1)).get(partition, []):
            return int(record.timestamp) if record.offset == offset else None
    return None


async def newest_mark(consumer: AIOKafkaConsumer, partition: TopicPartition) -> Mark:
    """Return the newest mark of a changelog partition; it stands near the end, each batch brings one.

    Args:
        consumer: of committed records, outside of any group; what it is assigned changes.
        partition: of the changelog.
    """
    begin = (await consumer.beginning_offsets([partition]))[partition]
    end = (await consumer.end_offsets([partition]))[partition]
    consumer.assign([partition])
    leap, mark = _FIRST_LEAP, NO_MARK
    while mark == NO_MARK:
        start = max(begin, end - leap)
        consumer.seek(partition, start)
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=100)).get(partition, []):
                mark = Mark.decode(record.value) if record.key == MARK_KEY else mark
        if start == begin:
            break
        leap *= 10
    return mark
