"""Where each partition continues after recovery: after its progress mark, if mark, topic and commit agree.

Any disagreement means that something was deleted or recreated, and that continuing would lose or repeat plays: the
worker refuses, and says what happened and what the remedy is (`streamer.kafka.offsets`).
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from faust.types import TP

from streamer.errors import ContractError
from streamer.kafka.blocks import find_blocks
from streamer.kafka.commits import Commit
from streamer.kafka.connection import Connection
from streamer.kafka.contact import check_exists
from streamer.kafka.offsets import Offsets, explain, observing, read_offsets
from streamer.kafka.topics import PARTITIONS_CHANGED
from streamer.runtime.crash import crash, refuse
from streamer.wire.changelog import Mark

if TYPE_CHECKING:
    from streamer.faust.table import ListenerTable
    from streamer.kafka.fences import Fences

logger = logging.getLogger(__name__)

#: Seconds that a transaction in front of states may take to end, and between two looks at it.
_PATIENCE_S = 5.0
_PAUSE_S = 0.2


class Marks:
    """The progress marks of the partitions owned, and the fences that guard them.

    Args:
        connection: to Kafka.
        source_topic: the topic of plays.
        table: holds the marks.
        fences: the transactional producers, taken at each assignment.
    """

    def __init__(self, connection: Connection, source_topic: str, table: "ListenerTable", fences: "Fences") -> None:
        self._connection = connection
        self._table = table
        self.source_topic = source_topic
        self.fences = fences

    async def check_assignment(self, assigned: set[TP]) -> None:
        """Check that plays and states were assigned alike, before a fence is taken or anything is fetched.

        Faust assigns topics together if they have the same number of partitions. If they no longer have, listeners hash
        to partitions that do not hold their states.

        Args:
            assigned: the partitions of plays and changelog that this worker shall serve, without standbys.
        """
        plays = sorted(tp.partition for tp in assigned if tp.topic == self.source_topic)
        states = sorted(tp.partition for tp in assigned if tp.topic == self._table.changelog_topic_name)
        if plays == states:
            return
        if not plays:  # a rebalance may notice that they were deleted before anything else does
            await self._refuse_deleted_plays()
        mismatch = f"partitions {plays} of {self.source_topic} are assigned, with the states of {states}"
        if not plays or not states:  # a broker may not know a new topic yet: a restart finds out
            crash(f"{mismatch}: one of the topics is gone; the next start names the remedy")
        refuse(ContractError(f"{mismatch}: {PARTITIONS_CHANGED}"))

    async def _refuse_deleted_plays(self) -> None:
        """End the process if the plays were deleted."""
        try:
            await check_exists(self._connection, self.source_topic)
        except ContractError as exc:
            refuse(exc)

    def commit_at(self, tp: TP, offset: int) -> Commit:
        """Return the commit of a source partition at an offset before which everything is done."""
        return Commit(offset, min(self._table.mark(tp.partition).offset, offset - 1))

    async def starts_of(self, committed: Mapping[TP, Commit | None]) -> dict[TP, int]:
        """Return the offset at which each partition continues; a partition without a mark starts at the beginning.

        Args:
            committed: the group's commit of each source partition just assigned; its states are recovered.
        """
        sources = {tp.partition: tp for tp in committed}
        for number in sources:
            await asyncio.to_thread(self._table.count_listeners, number)
        marks = {number: self._table.mark(number) for number in sources}  # before anything else may close the stores
        replayed = {number: self._table.store.num_replayed(number) for number in sources}
        commits = {number: committed[tp] for number, tp in sources.items()}
        partitions, _ = await asyncio.gather(self._read(marks, commits), self._refuse_blocked_states(list(sources)))
        if problem := explain(self.source_topic, partitions):
            refuse(ContractError(problem))
        for offsets in partitions:
            logger.info(
                "partition starts partition=%d offset=%d committed=%s replayed=%d",
                offsets.partition, offsets.earliest, offsets.committed, replayed[offsets.partition],
            )  # fmt: skip
        return {sources[offsets.partition]: offsets.earliest for offsets in partitions}

    async def _read(self, marks: Mapping[int, Mark], commits: Mapping[int, Commit | None]) -> list[Offsets]:
        async with observing(self._connection) as consumer:
            return await read_offsets(consumer, self.source_topic, marks, commits)

    async def _refuse_blocked_states(self, numbers: list[int]) -> None:
        """End the process if states lie behind an open transaction: recovery took the changelog to end before it.

        It is not ours. The fences ended what previous owners had left open.
        """
        changelog = [TopicPartition(self._table.changelog_topic_name, number) for number in numbers]
        deadline_s = time.monotonic() + _PATIENCE_S
        while blocks := await find_blocks(self._connection, changelog):
            if time.monotonic() > deadline_s:
                refuse(ContractError(f"the states cannot be read to their end: {blocks[0]}"))
                return
            await asyncio.sleep(_PAUSE_S)
