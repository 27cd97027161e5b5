"""The commands `offsets show` and `offsets reset`: where each partition stands, and how one goes on that does not fit.

Rules of this file:
- Nothing is changed while a worker runs: the group must be empty, and the fences are taken before anything is read.
- Partitions that fit are left alone, unless they are named.
- The mark comes first and the group's offset second: a reset that broke off in between is done again.
- States are kept: a worker finds the new mark in the changelog, behind its states.
"""

import argparse
import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.consumers import create_consumer
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
from streamer.kafka.topics import ensure_topics
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, NO_MARK

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name for it

_EARLIEST: Final = "earliest"
_LATEST: Final = "latest"

_INTERRUPTED: Final = "a worker started meanwhile: stop all workers, then run the command again"


def add_offsets(commands: "Commands") -> None:
    """Add `offsets show` and `offsets reset`."""
    parser = commands.add_parser("offsets", help="where each partition stands, and how one goes on that was refused")
    actions = parser.add_subparsers(required=True)
    shown = actions.add_parser("show", help="what topic, states and commit say, and what a reset would do")
    shown.set_defaults(run=lambda settings, _: sys.stdout.write(asyncio.run(show(settings))))
    resetting = actions.add_parser(
        "reset", help="go on where topic, states and commit do not fit; workers must be stopped"
    )
    resetting.add_argument(
        "--to",
        required=True,
        choices=(_EARLIEST, _LATEST),
        help="earliest: the first play there is that the states do not cover; latest: the next one to come",
    )
    resetting.add_argument(
        "--partition",
        dest="partitions",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="this one, even if all fits; may be repeated (default: each that does not fit)",
    )
    resetting.set_defaults(
        run=lambda settings, given: sys.stdout.write(asyncio.run(reset(settings, given.to, given.partitions)))
    )


async def show(settings: Settings) -> str:
    """Tell where each partition stands and what a reset would do; nothing is changed."""
    return _table(await _read_all(settings))


async def reset(settings: Settings, to: str, partitions: Collection[int] = ()) -> str:
    """Set mark and commit of each partition that does not fit, or of those named, to where it is to go on.

    Args:
        settings: of the workers, all of which are stopped.
        to: `earliest` or `latest`.
        partitions: to be reset whether they fit or not; none: those that do not fit.

    Returns:
        What was done, for the operator.

    Raises:
        ContractError: a worker runs, a partition is not there, or the topics are not as they must be.
    """
    await _refuse_members(settings)
    num_partitions = await _num_partitions(settings)
    if unknown := set(partitions) - set(range(num_partitions)):
        raise ContractError(f"{settings.plays_topic} has no partition {min(unknown)}, but 0 to {num_partitions - 1}")
    fences = Fences(settings.kafka_bootstrap_servers, settings.app_id, settings.transaction_timeout_s)
    await fences.take(range(num_partitions))
    try:
        found = await _read_all(settings)
        chosen = [offsets for offsets in found if offsets.partition in partitions or _is_wrong(offsets, partitions)]
        if not chosen:
            return f"{_table(found)}All partitions fit; nothing was changed.\n"
        await ensure_topics(settings)  # a changelog that was lost is made anew
        targets = {offsets.partition: _target(offsets, to) for offsets in chosen}
        await _write_marks(settings, fences.held, targets)
        await _commit(settings, targets)
    except ProducerFenced as exc:
        raise ContractError(_INTERRUPTED) from exc
    finally:
        await fences.drop()
    return "".join(f"partition {offsets.partition}: {_plan(offsets, to)}\n" for offsets in chosen) + _after(chosen)


# -- what is told


def _is_wrong(offsets: Offsets, partitions: Collection[int]) -> bool:
    return not partitions and bool(offsets.contradiction)


def _target(offsets: Offsets, to: str) -> int:
    return offsets.earliest if to == _EARLIEST else offsets.end


def _plan(offsets: Offsets, to: str) -> str:
    target = _target(offsets, to)
    passed_over, again = offsets.num_skipped(target), offsets.num_answered_again(target)
    return f"{to} goes on at {target}, passes {passed_over} plays over and applies {again} again"


def _after(chosen: Sequence[Offsets]) -> str:
    if not any(offsets.is_changelog_lost for offsets in chosen):
        return "Workers may start.\n"
    return "Delete the state directories of all workers, unless the changelog was restored; then they may start.\n"


_ROW: Final = "{:>9} {:>12} {:>12} {:>12} {:>12}  {}\n"


def _table(found: Sequence[Offsets]) -> str:
    lines = [_ROW.format("partition", "begin", "end", "mark", "committed", "")]
    for offsets in found:
        mark = "-" if offsets.mark == NO_MARK else offsets.mark.offset
        committed = "-" if offsets.committed is None else offsets.committed
        told = offsets.contradiction or "fits"
        lines.append(_ROW.format(offsets.partition, offsets.begin, offsets.end, mark, committed, told))
        if offsets.contradiction:
            lines += [f"{'':10}reset --to {_plan(offsets, to)}\n" for to in (_EARLIEST, _LATEST)]
    if any(offsets.is_changelog_lost for offsets in found):
        lines.append(f"{CHANGELOG_REMEDY}.\n")
    return "".join(lines)


# -- what is read


async def _read_all(settings: Settings) -> list[Offsets]:
    """Look where every partition stands; a changelog that is not there covers nothing."""
    topic, changelog = settings.plays_topic, settings.changelog_topic
    async with KafkaAdmin(settings.kafka_bootstrap_servers) as admin:
        marked = await admin.find_partitions(changelog)
        committed = await admin.read_committed_offsets(settings.app_id)
    async with observing(settings.kafka_bootstrap_servers) as consumer:
        marks = dict.fromkeys(range(await _num_partitions(settings)), NO_MARK)
        found = await newest_marks(consumer, [TopicPartition(changelog, number) for number in marked])
        marks |= {tp.partition: mark for tp, mark in found.items() if tp.partition in marks}
        commits = {tp.partition: offset for tp, offset in committed.items() if tp.topic == topic}
        return await read_offsets(consumer, topic, marks, commits)


async def _num_partitions(settings: Settings) -> int:
    async with KafkaAdmin(settings.kafka_bootstrap_servers) as admin:
        if num_partitions := len(await admin.find_partitions(settings.plays_topic)):
            return num_partitions
    raise ContractError(f"there is no topic {settings.plays_topic}; a worker makes it, or say REFRAIN_PLAYS_TOPIC")


async def _refuse_members(settings: Settings) -> None:
    async with KafkaAdmin(settings.kafka_bootstrap_servers) as admin:
        num_members = await admin.count_members(settings.app_id)
    if num_members:
        raise ContractError(
            f"{num_members} workers of {settings.app_id} still run: stop them first. One that was killed, or stopped "
            f"under a REFRAIN_INSTANCE_ID, counts until its session is over ({settings.session_timeout_s:.0f} s)"
        )


# -- what is written


async def _write_marks(settings: Settings, fences: Mapping[int, AIOKafkaProducer], targets: Mapping[int, int]) -> None:
    before = {TopicPartition(settings.plays_topic, number): target - 1 for number, target in targets.items()}
    async with observing(settings.kafka_bootstrap_servers) as consumer:
        timestamps_ms = await timestamps_at(consumer, before)
    for (tp, timestamp_ms), target in zip(timestamps_ms.items(), targets.values(), strict=True):
        fence, mark = fences[tp.partition], mark_before(target, timestamp_ms)
        async with fence.transaction():
            await fence.send_and_wait(settings.changelog_topic, mark.encode(), MARK_KEY, partition=tp.partition)


async def _commit(settings: Settings, targets: dict[int, int]) -> None:
    partitions = {TopicPartition(settings.plays_topic, number): target for number, target in targets.items()}
    async with running(create_consumer(settings.kafka_bootstrap_servers, group_id=settings.app_id)) as consumer:
        try:
            consumer.assign(list(partitions))
            await consumer.commit(partitions)
        except KafkaError as exc:
            raise ContractError(_INTERRUPTED) from exc
