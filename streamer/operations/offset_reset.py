"""What `offsets reset` does: partitions whose topic, states and commit do not fit continue from an offset.

Rules of this file:
- Nothing changes while a worker runs: the group must be empty, and the fences are taken before anything is read.
- Partitions that fit are left alone, unless they are named.
- The mark is written before the group's offset, so that an interrupted reset can be repeated.
- States are kept: a worker finds the new mark in the changelog, behind its states.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from models.wording import plural
from streamer.errors import ContractError
from streamer.kafka.access import check_access
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.consumers import create_consumer
from streamer.kafka.fence import Fence
from streamer.kafka.fences import Fences
from streamer.kafka.offsets import Offsets, mark_before, observing, timestamps_at
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.rights import worker_rights
from streamer.kafka.topics import ensure_topics
from streamer.kafka.transaction import Record, Records, fit, write
from streamer.operations.offset_table import count_partitions, plan, read_all, table, target_of
from streamer.runtime.progress import progress
from streamer.settings import Settings
from streamer.wire.changelog import MARK_KEY, Mark

_INTERRUPTED: Final = "a worker started meanwhile: stop all workers, then run the command again"


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
    num_partitions = await count_partitions(settings)
    if unknown := set(partitions) - set(range(num_partitions)):
        raise ContractError(
            f"{settings.plays_topic} has no partition {min(unknown)}; choose from 0 to {num_partitions - 1}"
        )
    fences = Fences(connection_of(settings), settings.app_id, settings.transaction_timeout_s)
    await fences.take(range(num_partitions))
    try:
        rows = await read_all(settings)
        chosen = [offsets for offsets in rows if offsets.partition in partitions or _is_wrong(offsets, partitions)]
        if not chosen:
            return f"{table(rows)}All partitions fit; nothing was changed.\n"
        await ensure_topics(settings)  # recreates a lost changelog
        targets = {offsets.partition: target_of(offsets, to) for offsets in chosen}
        await _write_marks(settings, fences.held, targets)
        await _commit(settings, targets)
    except ProducerFenced as exc:
        raise ContractError(_INTERRUPTED) from exc
    finally:
        await fences.drop()
    return "".join(f"partition {offsets.partition}: {plan(offsets, to)}\n" for offsets in chosen) + _after(chosen)


def _is_wrong(offsets: Offsets, partitions: Collection[int]) -> bool:
    return not partitions and bool(offsets.contradiction)


def _after(chosen: Sequence[Offsets]) -> str:
    if not any(offsets.is_changelog_lost for offsets in chosen):
        return "Workers may start.\n"
    return "Delete the state directories of all workers, unless the changelog was restored; then they may start.\n"


async def _refuse_members(settings: Settings) -> None:
    async with KafkaAdmin(connection_of(settings)) as admin:
        num_members = await admin.count_members(settings.app_id)
    if num_members:
        run, them = ("runs", "it") if num_members == 1 else ("run", "them")
        raise ContractError(
            f"{plural(num_members, 'worker')} of {settings.app_id} still {run}: stop {them} first. One that was "
            f"killed, or stopped with a REFRAIN_INSTANCE_ID, counts until its session expires "
            f"({settings.session_timeout_s:.0f} s)"
        )


async def _write_marks(settings: Settings, fences: Mapping[int, Fence], targets: Mapping[int, int]) -> None:
    before = {TopicPartition(settings.plays_topic, number): target - 1 for number, target in targets.items()}
    async with observing(connection_of(settings)) as consumer:
        timestamps_ms = await timestamps_at(consumer, before)
    with progress("marks", len(targets), "partitions") as show:
        for number, (tp, timestamp_ms) in enumerate(timestamps_ms.items(), 1):
            await _write_mark(settings, fences[tp.partition], mark_before(targets[tp.partition], timestamp_ms))
            show(number)


async def _write_mark(settings: Settings, fence: Fence, mark: Mark) -> None:
    record = Records.of([Record(MARK_KEY, mark.encode())])
    await write(fence, {settings.changelog_topic: fit(settings.changelog_topic, record, MAX_BATCH_BYTES)})


async def _commit(settings: Settings, targets: dict[int, int]) -> None:
    partitions = {TopicPartition(settings.plays_topic, number): target for number, target in targets.items()}
    async with running(create_consumer(connection_of(settings), group_id=settings.app_id)) as consumer:
        try:
            consumer.assign(list(partitions))
            await consumer.commit(partitions)
        except KafkaError as exc:
            raise ContractError(_INTERRUPTED) from exc
