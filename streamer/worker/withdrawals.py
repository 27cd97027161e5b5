"""The worker's side of the catalogue: which tracks are withdrawn, so that no list holds them.

The topic is read to its end before the first answer, outside the consumer group, because each worker must see every
record. Nothing of it is kept on the disk: a start reads all that compaction has left. Of a track that is withdrawn,
8 bytes stay in memory; of others, nothing.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from aiokafka import ConsumerRecord, TopicPartition
from numpy.typing import NDArray

from models.plays.catalogue import track_key
from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.blocks import BlockWatch, ends_of
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.metrics import WorkerMetrics
from streamer.runtime.tasks import start_vital
from streamer.wire.catalogue import read_entry
from streamer.worker.narrowing import NOTHING

logger = logging.getLogger(__name__)

_MAX_RECORDS: Final = 500  # at once: a batch of plays waits for them, some ms
_WAIT_MS: Final = 1000


class Withdrawals:
    """Keeps `keys` current.

    Attributes:
        keys: uint64 (W,), rising, the keys of withdrawn tracks; replaced when they change, never written.

    Args:
        connection: to Kafka.
        topic: the catalogue.
        metrics: count its records.
    """

    def __init__(self, connection: Connection, topic: str, metrics: WorkerMetrics) -> None:
        self._connection = connection
        self._topic = topic
        self._consumer = create_consumer(connection)
        self._metrics = metrics
        self._blocks = BlockWatch(topic)
        self._causes_logged: set[str] = set()
        self._following: asyncio.Task[None] | None = None
        self._is_reading = False  # what was there at the start
        self.keys = NOTHING

    async def start(self) -> None:
        """Read the topic to its end, then follow it.

        Raises:
            ContractError: there is no such topic.
        """
        self._is_reading = True
        async with KafkaAdmin(self._connection) as admin:
            numbers = await admin.find_partitions(self._topic)
        if not numbers:
            raise ContractError(f"topic {self._topic} was deleted; start again, which creates it")
        partitions = [TopicPartition(self._topic, number) for number in numbers]
        await self._consumer.start()
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            while await self._consumer.position(partition) < end:
                await self._read()
        self._is_reading = False
        logger.info("catalogue read topic=%s withdrawn=%d", self._topic, len(self.keys))
        self._following = start_vital(self._follow(), "reader of the catalogue")

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
        await self._consumer.stop()

    @property
    def waiting(self) -> str:
        """Why nothing is answered yet; empty once the catalogue was read."""
        return f"reading topic {self._topic}" if self._is_reading else ""

    async def _follow(self) -> None:
        while True:
            await self._read()

    async def _read(self) -> None:
        """Apply the records that arrive, a few at a time."""
        fetched = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=_MAX_RECORDS)
        self._blocks.look(ends_of(self._consumer))
        self._apply(record for records in fetched.values() for record in records)

    def _apply(self, records: "Iterable[ConsumerRecord[bytes, bytes]]") -> None:
        is_withdrawn: dict[int, bool] = {}
        for record in records:
            self._metrics.entries.inc()
            entry = read_entry(record.key, record.value)
            if entry.refusal is not None:
                self._refuse(record, entry.refusal.cause, entry.refusal.reason)
            if entry.track_id:
                is_withdrawn[track_key(entry.track_id)] = entry.withdraws
        if is_withdrawn:
            self.keys = changed(self.keys, is_withdrawn)
            self._metrics.withdrawn.set(len(self.keys))

    def _refuse(self, record: "ConsumerRecord[bytes, bytes]", cause: str, reason: str) -> None:
        """Count a record, and log the first of each cause: whoever writes one bad record mostly writes many."""
        self._metrics.entries_refused.labels(cause).inc()
        if cause not in self._causes_logged:
            self._causes_logged.add(cause)
            logger.warning(
                "catalogue record refused topic=%s partition=%d offset=%d cause=%s, the first of its cause: %s",
                record.topic, record.partition, record.offset, cause, reason,
            )  # fmt: skip


def changed(keys: NDArray[np.uint64], is_withdrawn: Mapping[int, bool]) -> NDArray[np.uint64]:
    """Add the keys of tracks that are withdrawn, and drop those of tracks that are back.

    Args:
        keys: uint64 (W,), rising.
        is_withdrawn: by key, one or more.

    Returns:
        The same array if nothing changes, else another one that rises.
    """
    named = np.sort(np.fromiter(is_withdrawn, np.uint64, len(is_withdrawn)))
    added = np.fromiter((is_withdrawn[key] for key in named.tolist()), np.bool_, len(named))
    places = np.searchsorted(keys, named)
    held = np.zeros(len(named), np.bool_)
    within = places < len(keys)
    held[within] = keys[places[within]] == named[within]
    if (held == added).all():
        return keys
    kept, new = np.delete(keys, places[held & ~added]), named[added & ~held]
    return np.insert(kept, np.searchsorted(kept, new), new)
