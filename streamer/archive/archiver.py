"""The archivist copies plays from the topic to the archive, each exactly once.

The archive's manifest holds the offsets to continue from, so the consumer needs no group and commits nothing. Plays
that retention deleted while no trainer ran are counted and logged, never skipped silently.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from aiokafka import ConsumerRecord, TopicPartition

from streamer.archive.archive import Archive
from streamer.archive.level import Level
from streamer.archive.plays import forgotten_users, to_table
from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.blocks import BlockWatch, ends_of
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.metrics import TrainerMetrics
from streamer.wire.plays import decode_records

logger = logging.getLogger(__name__)

FULL_RECORDS: Final = 50_000  # archived once this many are held: about 25 MB, and one write of the newest file
_FETCH_WAIT_MS: Final = 500  # how long a request to stop may go unnoticed

Records = Mapping[int, list[ConsumerRecord[bytes, bytes]]]


#: Called with the user ids of those whom the archive is about to forget; it forgets them inside.
Forgetting: TypeAlias = Callable[[Collection[str]], AbstractContextManager[object]]


class Archivist:
    """Reads `plays` from where the archive ends.

    Args:
        connection: to Kafka.
        topic: the plays.
        archive: only this archivist may append to it; do not read it while a method runs.
        metrics: the counters it increments.
        forgetting: removes listeners from what was copied out of the archive; the archive forgets them inside.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        archive: Archive,
        metrics: TrainerMetrics,
        forgetting: Forgetting = nullcontext,
    ) -> None:
        self._forgetting = forgetting
        self._connection = connection
        self._topic = topic
        self._archive = archive
        self._metrics = metrics
        self._consumer = create_consumer(
            connection,
            auto_offset_reset="none",  # if retention overtakes the reading: exit, and count the loss at the next start
        )
        self._blocks = BlockWatch(topic)
        self._ends: Mapping[int, tuple[int, int]] = {}
        self._level = Level()
        self._held: dict[int, list[ConsumerRecord[bytes, bytes]]] = {}
        self._num_held = 0

    async def start(self) -> None:
        """Find the offset at which each partition continues.

        Raises:
            ContractError: the topic is missing, or is not the one that was archived.
        """
        await self._consumer.start()
        partitions = [TopicPartition(self._topic, number) for number in await self._find_partitions()]
        self._consumer.assign(partitions)
        starts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        archived: dict[int, int] = {}
        for partition in partitions:
            next_offset = self._archive.next_offsets.get(partition.partition, starts[partition])
            if next_offset > ends[partition]:
                raise ContractError(
                    f"the archive has plays of {self._topic}-{partition.partition} up to offset {next_offset}, but the "
                    f"partition ends at {ends[partition]}: the topic was recreated; move the archive away to start over"
                )
            if lost := max(0, starts[partition] - next_offset):
                self._metrics.records_lost.inc(lost)
                logger.warning("records lost to retention partition=%d num=%d", partition.partition, lost)
            self._consumer.seek(partition, next_offset + lost)
            archived[partition.partition] = next_offset + lost
        self._metrics.archived_offsets = archived

    async def stop(self) -> None:
        """Disconnect; records fetched but not archived are read again next time."""
        await self._consumer.stop()

    async def catch_up(self, stopping: asyncio.Event) -> None:
        """Archive all records that exist now, or those read until a request to stop."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        while not stopping.is_set() and await self._is_behind(ends):
            await self._fetch()
        await self._archive_held()

    async def follow(self, for_s: float, stopping: asyncio.Event) -> None:
        """Archive the records that arrive within `for_s` seconds, or until a request to stop.

        Raises:
            OSError: the disk cannot store them; the next call archives them, for they are still held.
        """
        await self._archive_held()
        deadline_s = asyncio.get_running_loop().time() + for_s
        while not stopping.is_set() and asyncio.get_running_loop().time() < deadline_s:
            await self._fetch()
        await self._archive_held()

    async def _find_partitions(self) -> list[int]:
        async with KafkaAdmin(self._connection) as admin:
            partitions = list(await admin.find_partitions(self._topic))
        if not partitions:
            raise ContractError(f"there is no topic {self._topic}; start a worker, which creates it, or create it")
        if missing := sorted(self._archive.next_offsets.keys() - set(partitions)):
            raise ContractError(
                f"the archive has plays of partition {missing[0]}, which {self._topic} does not have: the topic was "
                "recreated; move the archive away to start over"
            )
        return partitions

    async def _is_behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        return any([await self._consumer.position(partition) < end for partition, end in ends.items()])

    async def _fetch(self) -> None:
        fetched = await self._consumer.getmany(timeout_ms=_FETCH_WAIT_MS, max_records=FULL_RECORDS)
        self._ends = ends_of(self._consumer)
        self._metrics.blocked_seconds.set(max(self._blocks.look(self._ends).values(), default=0.0))
        for partition, records in fetched.items():
            self._held.setdefault(partition.partition, []).extend(records)
            self._num_held += len(records)
        self._level.note_fetched({partition.partition: records for partition, records in fetched.items()})
        if self._num_held >= FULL_RECORDS:
            await self._archive_held()

    async def _archive_held(self) -> None:
        reached = {number: await self._consumer.position(TopicPartition(self._topic, number)) for number in self._ends}
        self._show_level(reached)  # before the disk fails
        if self._held:
            await asyncio.to_thread(self._append, self._held, {number: reached[number] for number in self._held})
            self._level.note_archived(self._held)
            self._held, self._num_held = {}, 0  # only now: what a full disk cannot store is held until there is space
            self._show_level(reached)
        self._metrics.archived_offsets = {**self._metrics.archived_offsets, **reached}

    def _show_level(self, reached: Mapping[int, int]) -> None:
        left = {
            number: end - reached[number] + len(self._held.get(number, ())) for number, (_, end) in self._ends.items()
        }
        self._metrics.archive_lag.set(sum(left.values()))
        self._metrics.archived_until.set(self._level.look(left, time.time()))

    def _append(self, records: Records, reached: Mapping[int, int]) -> None:
        """Archive records, and where to continue: behind the markers of transactions, which expire like plays."""
        tables: list[pa.Table] = []
        forgotten: set[str] = set()
        num_rejected = 0
        for partition, of_partition in records.items():
            decoded = decode_records(of_partition)
            offsets = np.array([record.offset for record in of_partition], np.int64)[decoded.plays.index]
            tables.append(to_table(decoded.plays, partition, offsets))
            forgotten |= forgotten_users(decoded.plays)
            num_rejected += len(decoded.rejects)
        plays = pa.concat_tables(tables)
        with self._forgetting(forgotten):
            self._archive.append(plays, reached, forgotten)
        self._metrics.plays_archived.inc(len(plays))
        self._metrics.plays_refused.inc(num_rejected)
        self._metrics.forgotten.inc(len(forgotten))
        self._metrics.plays_new.set(self._archive.num_new)
        logger.debug("archived plays=%d forgotten=%d", len(plays), len(forgotten))
