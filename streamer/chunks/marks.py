"""Where each partition goes on after recovery: behind its progress mark, if mark, topic and commit agree.

Each disagreement means that something was deleted or made anew, and that going on would lose or repeat plays: the
worker refuses, and says what happened and what mends it.
"""

import logging
from typing import TYPE_CHECKING, NoReturn

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streamer.changelog import NO_MARK, Mark
from streamer.crash import refuse
from streamer.errors import ContractError

if TYPE_CHECKING:
    from streamer.chunks.fence import Fences
    from streamer.chunks.table import ListenerTable

logger = logging.getLogger(__name__)

CHANGELOG_LOST = (
    "the changelog was lost. Restore it, or stop all workers, delete their state directories and reset the group's "
    "offsets to replay what the topic still holds (kafka-consumer-groups --reset-offsets --to-earliest)"
)


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

    async def start_of(self, tp: TP, committed: int | None) -> int | None:
        """Return the offset at which a partition goes on; None where nothing was ever done: at its beginning.

        Args:
            tp: a source partition just assigned, its state recovered.
            committed: the group's offset; trails the mark, or stands right behind it.
        """
        mark = self._table.mark(tp.partition)
        try:
            _check_commit(tp, mark, committed)
            if mark == NO_MARK:
                return None
            await self._check_topic(tp, mark)
        except ContractError as exc:
            refuse(exc)
        logger.info("partition starts partition=%d offset=%d committed=%s", tp.partition, mark.offset + 1, committed)
        return mark.offset + 1

    async def _check_topic(self, tp: TP, mark: Mark) -> None:
        """Check that the topic is still the one the mark was made on."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers, enable_auto_commit=False)
        await consumer.start()
        try:
            partition = TopicPartition(tp.topic, tp.partition)
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            if mark.offset >= end:
                _made_anew(tp, f"ends at offset {end}, before the progress mark {mark.offset}")
            first = (await consumer.beginning_offsets([partition]))[partition]
            if mark.offset < first:  # the record has aged away, nothing left to compare
                return
            consumer.seek(partition, mark.offset)
            record = await consumer.getone(partition)
            if record.offset == mark.offset and record.timestamp != mark.timestamp_ms:
                _made_anew(tp, f"holds another record at offset {mark.offset} than the one the progress mark covers")
        finally:
            await consumer.stop()


def _check_commit(tp: TP, mark: Mark, committed: int | None) -> None:
    if committed is not None and committed > mark.offset + 1:
        raise ContractError(
            f"{tp.topic}-{tp.partition}: offset {committed} is committed but the states end at {mark.offset}: "
            f"{CHANGELOG_LOST}"
        )


def _made_anew(tp: TP, what: str) -> NoReturn:
    raise ContractError(
        f"{tp.topic}-{tp.partition} {what}: the topic was made anew. Its plays would be taken for ones already done. "
        "Give the deployment another REFRAIN_APP_ID, or delete its changelog, its group and the state directories"
    )
