"""Where each partition goes on after recovery: behind its progress mark, if mark, topic and commit agree.

Each disagreement means that something was deleted or made anew, and that going on would lose or repeat plays: the
worker refuses, and says what happened and what mends it (`streamer.kafka.offsets`).
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from faust.types import TP

from streamer.errors import ContractError
from streamer.kafka.offsets import explain, observing, read_offsets
from streamer.kafka.topics import PARTITIONS_CHANGED
from streamer.runtime.crash import crash, refuse

if TYPE_CHECKING:
    from streamer.faust.table import ListenerTable
    from streamer.kafka.fences import Fences

logger = logging.getLogger(__name__)


class Marks:
    """The progress marks of the partitions owned, and the fences that guard them.

    Args:
        bootstrap_servers: where Kafka answers.
        source_topic: the topic of plays.
        table: where the marks stand.
        fences: the transactional producers, taken at each assignment.
    """

    def __init__(self, bootstrap_servers: str, source_topic: str, table: "ListenerTable", fences: "Fences") -> None:
        self._bootstrap_servers = bootstrap_servers
        self._table = table
        self.source_topic = source_topic
        self.fences = fences

    def check_assignment(self, assigned: set[TP]) -> None:
        """Check that plays and states were dealt out alike, before a fence is taken or anything is fetched.

        Faust deals topics out together that have as many partitions. Where they no longer do, listeners hash to
        partitions that do not have their states.

        Args:
            assigned: the partitions this worker is to serve, of plays and changelog, without standbys.
        """
        plays = sorted(tp.partition for tp in assigned if tp.topic == self.source_topic)
        states = sorted(tp.partition for tp in assigned if tp.topic == self._table.changelog_topic_name)
        if plays == states:
            return
        told = f"partitions {plays} of {self.source_topic} are assigned, with the states of {states}"
        if not plays or not states:  # a broker may not have heard of a new topic yet: a restart tells
            crash(f"{told}: one of the topics is gone; the next start says what mends it")
        refuse(ContractError(f"{told}: {PARTITIONS_CHANGED}"))

    async def starts_of(self, committed: Mapping[TP, int | None]) -> dict[TP, int]:
        """Return the offsets at which partitions go on; where nothing was ever done, the beginning.

        Args:
            committed: the group's offset of each source partition just assigned, its state recovered.
        """
        sources = {tp.partition: tp for tp in committed}
        marks = {number: self._table.mark(number) for number in sources}  # before anything else may close the stores
        replayed = {number: self._table.store.num_replayed(number) for number in sources}
        async with observing(self._bootstrap_servers) as consumer:
            commits = {number: committed[tp] for number, tp in sources.items()}
            found = await read_offsets(consumer, self.source_topic, marks, commits)
        if problem := explain(self.source_topic, found):
            refuse(ContractError(problem))
        for offsets in found:
            logger.info(
                "partition starts partition=%d offset=%d committed=%s replayed=%d",
                offsets.partition, offsets.earliest, offsets.committed, replayed[offsets.partition],
            )  # fmt: skip
        return {sources[offsets.partition]: offsets.earliest for offsets in found}
