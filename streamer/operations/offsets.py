"""The commands `offsets show` and `offsets reset`: the offsets of each partition, and a way on if they do not fit.

Rules of this file:
- Nothing changes while a worker runs: the group must be empty, and the fences are taken before anything is read.
- Partitions that fit are left alone, unless they are named.
- The mark is written before the group's offset, so that an interrupted reset can be repeated.
- States are kept: a worker finds the new mark in the changelog, behind its states.
"""

import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from streamer.errors import ContractError
from streamer.kafka.access import check_access
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.blocks import Block, find_blocks
from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.consumers import create_consumer
from streamer.kafka.fence import Fence
from streamer.kafka.fences import Fences
from streamer.kafka.offsets import (
    CHANGELOG_REMEDY,
    Offsets,
    mark_before,
    newest_marks,
    observing,
    read_offsets,
    timestamps_at,
)
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.rights import offset_reader_rights, worker_rights
from streamer.kafka.topics import ensure_topics, find_few_replicas
from streamer.kafka.transaction import Record, Records, fit, write
from streamer.runtime.commands import Commands
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, NO_MARK

_EARLIEST: Final = "earliest"
_LATEST: Final = "latest"

_INTERRUPTED: Final = "a worker started meanwhile: stop all workers, then run the command again"


def add_offsets(commands: Commands) -> None:
    """Add `offsets show` and `offsets reset`."""
    parser = commands.add_parser("offsets", help="show the offsets of each partition, and reset those that do not fit")
    actions = parser.add_subparsers(required=True)
    shown = actions.add_parser("show", help="show what topic, states and commit say, and what a reset would do")
    shown.set_defaults(run=lambda settings, _: sys.stdout.write(asyncio.run(show(settings))))
    resetting = actions.add_parser(
        "reset", help="let partitions continue whose topic, states and commit do not fit; stop all workers first"
    )
    resetting.add_argument(
        "--to",
        required=True,
        choices=(_EARLIEST, _LATEST),
        help="earliest: the first available play that the states do not cover; latest: the next one to arrive",
    )
    resetting.add_argument(
        "--partition",
        dest="partitions",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="reset this partition even if it fits; may be repeated (default: all that do not fit)",
    )
    resetting.set_defaults(
        run=lambda settings, given: sys.stdout.write(asyncio.run(reset(settings, given.to, given.partitions)))
    )


async def show(settings: Settings) -> str:
    """Describe the offsets of each partition and what a reset would do; change nothing.

    Raises:
        AccessError: Kafka does not let us in, or a right is missing.
    """
    await check_access(connection_of(settings), offset_reader_rights(settings))
    notes = [*map(str, await _find_blocks(settings)), await find_few_replicas(settings)]
    return _table(await _read_all(settings)) + "".join(f"{note}\n" for note in notes if note)


async def reset(settings: Settings, to: str, partitions: Collection[int] = ()) -> str:
    """Set mark and commit of the named partitions, or of all that do not fit, to the offset they continue from.

    Args:
        settings: the workers' settings; all workers are stopped.
        to: `earliest` or `latest`.
        partitions: reset these whether they fit or not; if empty, all that do not fit.

    Returns:
        A report for the operator.

    Raises:
        AccessError: Kafka does not let us in, or a right is missing.
        ContractError: a worker runs, a partition does not exist, or the topics are not configured as they must be.
    """
    await check_access(connection_of(settings), worker_rights(settings))
    await _refuse_members(settings)
    num_partitions = await _num_partitions(settings)
    if unknown := set(partitions) - set(range(num_partitions)):
        raise ContractError(
            f"{settings.plays_topic} has no partition {min(unknown)}; choose from 0 to {num_partitions - 1}"
        )
    fences = Fences(connection_of(settings), settings.app_id, settings.transaction_timeout_s)
    await fences.take(range(num_partitions))
    try:
        rows = await _read_all(settings)
        chosen = [offsets for offsets in rows if offsets.partition in partitions or _is_wrong(offsets, partitions)]
        if not chosen:
            return f"{_table(rows)}All partitions fit; nothing was changed.\n"
        await ensure_topics(settings)  # recreates a lost changelog
        targets = {offsets.partition: _target(offsets, to) for offsets in chosen}
        await _write_marks(settings, fences.held, targets)
        await _commit(settings, targets)
    except ProducerFenced as exc:
        raise ContractError(_INTERRUPTED) from exc
    finally:
        await fences.drop()
    return "".join(f"partition {offsets.partition}: {_plan(offsets, to)}\n" for offsets in chosen) + _after(chosen)


# -- what is printed


def _is_wrong(offsets: Offsets, partitions: Collection[int]) -> bool:
    return not partitions and bool(offsets.contradiction)


def _target(offsets: Offsets, to: str) -> int:
    return offsets.earliest if to == _EARLIEST else offsets.end


def _plan(offsets: Offsets, to: str) -> str:
    target = _target(offsets, to)
    num_skipped, num_again = offsets.num_skipped(target), offsets.num_answered_again(target)
    return f"{to} continues at {target}, skips {num_skipped} plays and applies {num_again} again"


def _after(chosen: Sequence[Offsets]) -> str:
    if not any(offsets.is_changelog_lost for offsets in chosen):
        return "Workers may start.\n"
    return "Delete the state directories of all workers, unless the changelog was restored; then they may start.\n"


_ROW: Final = "{:>9} {:>12} {:>12} {:>12} {:>12}  {}\n"


def _table(rows: Sequence[Offsets]) -> str:
    lines = [_ROW.format("partition", "begin", "end", "mark", "committed", "")]
    for offsets in rows:
        mark = "-" if offsets.mark == NO_MARK else offsets.mark.offset
        committed = "-" if offsets.committed is None else offsets.committed
        verdict = offsets.contradiction or "fits"
        lines.append(_ROW.format(offsets.partition, offsets.begin, offsets.end, mark, committed, verdict))
        if offsets.contradiction:
            lines += [f"{'':10}reset --to {_plan(offsets, to)}\n" for to in (_EARLIEST, _LATEST)]
    if any(offsets.is_changelog_lost for offsets in rows):
        lines.append(f"{CHANGELOG_REMEDY}.\n")
    return "".join(lines)


# -- what is read


async def _read_all(settings: Settings) -> list[Offsets]:
    """Read the offsets of every partition; a missing changelog covers nothing."""
    topic, changelog = settings.plays_topic, settings.changelog_topic
    async with KafkaAdmin(connection_of(settings)) as admin:
        changelog_partitions = await admin.find_partitions(changelog)
        committed = await admin.read_commits(settings.app_id)
    async with observing(connection_of(settings)) as consumer:
        marks = dict.fromkeys(range(await _num_partitions(settings)), NO_MARK)
        newest = await newest_marks(consumer, [TopicPartition(changelog, number) for number in changelog_partitions])
        marks |= {tp.partition: mark for tp, mark in newest.items() if tp.partition in marks}
        commits = {tp.partition: commit for tp, commit in committed.items() if tp.topic == topic}
        return await read_offsets(consumer, topic, marks, commits)


async def _find_blocks(settings: Settings) -> list[Block]:
    """Find open transactions in front of plays, states and release notices."""
    connection = connection_of(settings)
    topics = (settings.plays_topic, settings.changelog_topic, settings.releases_topic)
    async with KafkaAdmin(connection) as admin:
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in await admin.find_partitions(topic)
        ]
    return await find_blocks(connection, partitions)


async def _num_partitions(settings: Settings) -> int:
    async with KafkaAdmin(connection_of(settings)) as admin:
        if num_partitions := len(await admin.find_partitions(settings.plays_topic)):
            return num_partitions
    raise ContractError(
        f"there is no topic {settings.plays_topic}; start a worker, which creates it, or set REFRAIN_PLAYS_TOPIC"
    )


async def _refuse_members(settings: Settings) -> None:
    async with KafkaAdmin(connection_of(settings)) as admin:
        num_members = await admin.count_members(settings.app_id)
    if num_members:
        raise ContractError(
            f"{num_members} workers of {settings.app_id} still run: stop them first. One that was killed, or stopped "
            f"with a REFRAIN_INSTANCE_ID, counts until its session expires ({settings.session_timeout_s:.0f} s)"
        )


# -- what is written


async def _write_marks(settings: Settings, fences: Mapping[int, Fence], targets: Mapping[int, int]) -> None:
    before = {TopicPartition(settings.plays_topic, number): target - 1 for number, target in targets.items()}
    async with observing(connection_of(settings)) as consumer:
        timestamps_ms = await timestamps_at(consumer, before)
    for (tp, timestamp_ms), target in zip(timestamps_ms.items(), targets.values(), strict=True):
        mark = Record(MARK_KEY, mark_before(target, timestamp_ms).encode())
        marks = fit(settings.changelog_topic, Records.of([mark]), MAX_BATCH_BYTES)
        await write(fences[tp.partition], {settings.changelog_topic: marks})


async def _commit(settings: Settings, targets: dict[int, int]) -> None:
    partitions = {TopicPartition(settings.plays_topic, number): target for number, target in targets.items()}
    async with running(create_consumer(connection_of(settings), group_id=settings.app_id)) as consumer:
        try:
            consumer.assign(list(partitions))
            await consumer.commit(partitions)
        except KafkaError as exc:
            raise ContractError(_INTERRUPTED) from exc
