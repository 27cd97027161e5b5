"""What `offsets show` prints: the offsets of each partition, and what a reset of those that do not fit would do."""

from collections.abc import Sequence
from typing import Final, Literal

from aiokafka import TopicPartition

from models.wording import plural
from streamer.errors import ContractError
from streamer.kafka.access import check_access
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.blocks import Block, find_blocks
from streamer.kafka.connection import connection_of
from streamer.kafka.offsets import (
    CHANGELOG_REMEDY,
    Offsets,
    newest_marks,
    observing,
    read_offsets,
)
from streamer.kafka.rights import offset_reader_rights
from streamer.kafka.topics import find_few_replicas
from streamer.operations.shapes import ListedPartition, OffsetsShown, ResetPlan
from streamer.settings import Settings
from streamer.wire.changelog import NO_MARK

EARLIEST: Final = "earliest"
LATEST: Final = "latest"


async def show(settings: Settings) -> str:
    """Describe the offsets of each partition and what a reset would do; change nothing.

    Raises:
        AccessError: Kafka does not let us in, or a right is missing.
    """
    notes, rows = await _look(settings)
    return table(rows) + "".join(f"{note}\n" for note in notes)


async def offsets_shown(settings: Settings) -> OffsetsShown:
    """Return what `show` describes.

    Raises:
        AccessError: Kafka does not let us in, or a right is missing.
    """
    notes, rows = await _look(settings)
    return OffsetsShown(tuple(map(_listed, rows)), tuple(notes))


async def _look(settings: Settings) -> tuple[list[str], list[Offsets]]:
    await check_access(connection_of(settings), offset_reader_rights(settings))
    notes = [*map(str, await find_transactions(settings)), await find_few_replicas(settings)]
    return list(filter(None, notes)), await read_all(settings)


# -- what is printed


def target_of(offsets: Offsets, to: str) -> int:
    """Return the offset that a partition continues from."""
    return offsets.earliest if to == EARLIEST else offsets.end


def plan(offsets: Offsets, to: str) -> str:
    """Say what a reset of a partition does."""
    target = target_of(offsets, to)
    num_skipped, num_again = offsets.num_skipped(target), offsets.num_answered_again(target)
    return f"{to} continues at {target}, skips {plural(num_skipped, 'play')} and applies {num_again} again"


def _listed(offsets: Offsets) -> ListedPartition:
    return ListedPartition(
        partition=offsets.partition,
        begin=offsets.begin,
        end=offsets.end,
        mark=None if offsets.mark == NO_MARK else offsets.mark.offset,
        committed=offsets.committed,
        contradiction=offsets.contradiction,
        resets=(_plan(offsets, EARLIEST), _plan(offsets, LATEST)) if offsets.contradiction else (),
    )


def _plan(offsets: Offsets, to: Literal["earliest", "latest"]) -> ResetPlan:
    target = target_of(offsets, to)
    return ResetPlan(to, target, offsets.num_skipped(target), offsets.num_answered_again(target))


_ROW: Final = "{:>9} {:>12} {:>12} {:>12} {:>12}  {}\n"


def table(rows: Sequence[Offsets]) -> str:
    """Lay out the offsets of partitions, and what does not fit."""
    lines = [_ROW.format("partition", "begin", "end", "mark", "committed", "")]
    for offsets in rows:
        mark = "-" if offsets.mark == NO_MARK else offsets.mark.offset
        committed = "-" if offsets.committed is None else offsets.committed
        verdict = offsets.contradiction or "fits"
        lines.append(_ROW.format(offsets.partition, offsets.begin, offsets.end, mark, committed, verdict))
        if offsets.contradiction:
            lines += [f"{'':10}reset --to {plan(offsets, to)}\n" for to in (EARLIEST, LATEST)]
    if any(offsets.is_changelog_lost for offsets in rows):
        lines.append(f"{CHANGELOG_REMEDY}.\n")
    return "".join(lines)


# -- what is read


async def read_all(settings: Settings) -> list[Offsets]:
    """Read the offsets of every partition; a missing changelog covers nothing."""
    topic, changelog = settings.plays_topic, settings.changelog_topic
    async with KafkaAdmin(connection_of(settings)) as admin:
        changelog_partitions = await admin.find_partitions(changelog)
        committed = await admin.read_commits(settings.app_id)
    async with observing(connection_of(settings)) as consumer:
        marks = dict.fromkeys(range(await count_partitions(settings)), NO_MARK)
        newest = await newest_marks(consumer, [TopicPartition(changelog, number) for number in changelog_partitions])
        marks |= {tp.partition: mark for tp, mark in newest.items() if tp.partition in marks}
        commits = {tp.partition: commit for tp, commit in committed.items() if tp.topic == topic}
        return await read_offsets(consumer, topic, marks, commits)


async def find_transactions(settings: Settings) -> list[Block]:
    """Find open transactions in front of plays, states and release notices."""
    connection = connection_of(settings)
    topics = (settings.plays_topic, settings.changelog_topic, settings.releases_topic)
    async with KafkaAdmin(connection) as admin:
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in await admin.find_partitions(topic)
        ]
    return await find_blocks(connection, partitions)


async def count_partitions(settings: Settings) -> int:
    """Count the partitions of the plays."""
    async with KafkaAdmin(connection_of(settings)) as admin:
        if num_partitions := len(await admin.find_partitions(settings.plays_topic)):
            return num_partitions
    raise ContractError(
        f"there is no topic {settings.plays_topic}; start a worker, which creates it, or set REFRAIN_PLAYS_TOPIC"
    )
