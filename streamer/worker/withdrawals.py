"""The worker's side of the catalogue: which tracks are withdrawn, so that no list holds them.

The topic is read to its end before the first answer, outside the consumer group, because each worker must see every
record. Nothing of it is kept on the disk: a start reads all that compaction has left, and so does a worker whose topic
was recreated while it ran; until then, what was withdrawn stays withdrawn. Of a track that is withdrawn, 8 bytes stay
in memory; of others, nothing.
"""

import asyncio
import logging
from typing import Final

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from streamer.kafka.blocks import BlockWatch
from streamer.kafka.follower import Follower, Portion, from_the_beginning
from streamer.kafka.withdrawn_keys import Backlog, Said, changed, said_by
from streamer.metrics import WorkerMetrics
from streamer.runtime.tasks import watch_vital
from streamer.wire.catalogue import read_entry
from streamer.worker.narrowing import NOTHING

logger = logging.getLogger(__name__)

MAX_RECORDS: Final = 500  # at once: a batch of plays waits for them, some ms


class Withdrawals:
    """Keeps `keys` current.

    Attributes:
        keys: uint64 (W,), rising, the keys of withdrawn tracks; replaced when they change, never written.

    Args:
        follower: of the catalogue.
        topic: its name.
        metrics: count its records.
    """

    def __init__(self, follower: Follower, topic: str, metrics: WorkerMetrics) -> None:
        self._follower = follower
        self._topic = topic
        self._metrics = metrics
        self._blocks = BlockWatch(topic)
        self._causes_logged: set[str] = set()
        self._following: asyncio.Task[None] | None = None
        self._is_read = asyncio.Event()
        self.keys = NOTHING

    async def start(self) -> None:
        """Read the topic to its end, then follow it.

        Raises:
            ContractError: there is no such topic.
        """
        self._following = asyncio.create_task(self._follow(), name="reader of the catalogue")
        reading = asyncio.create_task(self._is_read.wait())
        await asyncio.wait((self._following, reading), return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        if self._following.done():
            self._following.result()
        watch_vital(self._following, "reader of the catalogue")

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    @property
    def waiting(self) -> str:
        """Why nothing is answered yet; empty once the catalogue was read."""
        is_reading = self._following is not None and not self._is_read.is_set()
        return f"reading topic {self._topic}" if is_reading else ""

    async def _follow(self) -> None:
        whole: Backlog | None = None  # of a topic that has not been read to its end
        async for portion in self._follower.portions(from_the_beginning):
            self._blocks.look(portion.ends)
            if portion.is_anew:
                whole = Backlog(by_time=portion.topic.num_partitions > 1)
            if whole is None:
                self._change(changed(self.keys, {each.key: each.withdraws for each in self._read(portion)}))
                continue
            whole.add(self._read(portion))
            if portion.is_current:
                self._change(whole.withdrawn())
                whole = None
                logger.info("catalogue read topic=%s withdrawn=%d", self._topic, len(self.keys))
                self._is_read.set()

    def _change(self, keys: NDArray[np.uint64]) -> None:
        self.keys = keys
        self._metrics.withdrawn.set(len(keys))

    def _read(self, portion: Portion) -> list[Said]:
        """Read what each record says of its track; those of no track are left out."""
        said = []
        for record in portion.records:
            self._metrics.entries.inc()
            entry = read_entry(record.key, record.value)
            if entry.refusal is not None:
                self._refuse(record, entry.refusal.cause, entry.refusal.reason)
            if entry.track_id:
                said.append(said_by(record, entry))
        return said

    def _refuse(self, record: "ConsumerRecord[bytes, bytes]", cause: str, reason: str) -> None:
        """Count a record, and log the first of each cause: whoever writes one bad record mostly writes many."""
        self._metrics.entries_refused.labels(cause).inc()
        if cause not in self._causes_logged:
            self._causes_logged.add(cause)
            logger.warning(
                "catalogue record refused topic=%s partition=%d offset=%d cause=%s, the first of its cause: %s",
                record.topic, record.partition, record.offset, cause, reason,
            )  # fmt: skip
