"""Blocks: records behind an open transaction, which no reader of committed records sees until it ends.

A producer that dies within a transaction, or forgets to end one, blocks its partitions for as long as its timeout
allows, up to `transaction.max.timeout.ms`; a hanging one blocks them for ever. Brokers report such a partition as
ending where the transaction begins, so nothing else shows it.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.wording import plural
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import LOOK_UP_BACKOFF_MS, create_consumer

logger = logging.getLogger(__name__)

#: Seconds that a transaction may be open before it is logged; those of producers that end them last milliseconds.
_LOGGED_AFTER_S: Final = 15.0

#: Kafka's tool for transactions, as whoever has our settings may call it.
_TOOL: Final = "kafka-transactions.sh --bootstrap-server $REFRAIN_KAFKA_BOOTSTRAP_SERVERS"


@dataclass(frozen=True, slots=True)
class Block:
    """An open transaction in front of records.

    Attributes:
        topic: its name.
        partition: its number.
        since_offset: where the transaction begins.
        num_records: how many offsets wait, its own included.
    """

    topic: str
    partition: int
    since_offset: int
    num_records: int

    def __str__(self) -> str:
        """Say what is open where, and how to end it."""
        place = f"--topic {self.topic} --partition {self.partition}"
        records, wait = plural(self.num_records, "record"), "waits" if self.num_records == 1 else "wait"
        return (
            f"{records} of {self.topic}-{self.partition} {wait} behind a transaction that is open since "
            f"offset {self.since_offset}; `{_TOOL} describe-producers {place}` names its producer, and "
            f"`{_TOOL} abort {place} --start-offset {self.since_offset}` ends one that was abandoned"
        )


class BlockWatch:
    """Follows how long the partitions of a topic have been blocked, and logs it once when it lasts, and its end.

    Args:
        topic: its name.
        clock: returns seconds.
    """

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic = topic
        self._clock = clock
        self._since_s: dict[tuple[int, int], float] = {}  # by partition and offset: since when it has not moved
        self._logged: set[tuple[int, int]] = set()

    def look(self, ends: Mapping[int, tuple[int, int]]) -> dict[int, float]:
        """Return for how many seconds each partition has been blocked; 0 if it is not.

        Args:
            ends: by partition, the end of what can be read, and the end with open transactions.
        """
        now_s = self._clock()
        blocked = {(number, stable): end - stable for number, (stable, end) in ends.items() if end > stable}
        self._since_s = {place: self._since_s.get(place, now_s) for place in blocked}
        for number, offset in self._logged - blocked.keys():
            logger.info("transaction ended topic=%s partition=%d offset=%d", self._topic, number, offset)
        self._logged &= blocked.keys()
        seconds = dict.fromkeys(ends, 0.0)
        for (number, offset), since_s in self._since_s.items():
            seconds[number] = now_s - since_s
            if seconds[number] > _LOGGED_AFTER_S and (number, offset) not in self._logged:
                self._logged.add((number, offset))
                logger.warning("partition blocked: %s", Block(self._topic, number, offset, blocked[number, offset]))
        return seconds


def ends_of(consumer: AIOKafkaConsumer) -> dict[int, tuple[int, int]]:
    """Return the ends, as `BlockWatch` takes them, of the partitions of one topic that a consumer has fetched from."""
    known = {}
    for tp in consumer.assignment():
        stable, end = consumer.last_stable_offset(tp), consumer.highwater(tp)
        if stable is not None and end is not None:
            known[tp.partition] = (stable, end)
    return known


async def find_blocks(connection: Connection, partitions: Collection[TopicPartition]) -> list[Block]:
    """Find the partitions that are blocked now; a transaction under way counts too."""
    ends = await _read_ends(connection, partitions, "read_uncommitted")
    stable = await _read_ends(connection, partitions, "read_committed")  # later: what was open may have ended since
    return [
        Block(tp.topic, tp.partition, stable[tp], ends[tp] - stable[tp])
        for tp in sorted(partitions)
        if ends[tp] > stable[tp]
    ]


async def _read_ends(
    connection: Connection, partitions: Collection[TopicPartition], isolation_level: str
) -> dict[TopicPartition, int]:
    consumer = create_consumer(connection, isolation_level=isolation_level, retry_backoff_ms=LOOK_UP_BACKOFF_MS)
    async with running(consumer):
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    return ends
