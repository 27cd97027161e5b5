"""The fences: one transactional producer per owned partition, by which Kafka refuses whoever owned it before.

Taking a partition's producer, on assignment and before recovery, makes every transaction of its former owner fail with
`ProducerFenced`: a worker that was frozen while its partitions moved on can write nothing when it thaws.

A producer that Kafka has forgotten, its partition quiet for `transactional.id.expiration.ms` (a week), fails its next
transaction, and the restart takes another.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaProducer

from streamer.kafka.producers import create_transactional_producer
from streamer.runtime.crash import crash

logger = logging.getLogger(__name__)

#: How long an old producer may take to say goodbye, seconds.
_STOP_LIMIT_S = 5.0


class Fences:
    """The transactional producers of the partitions this worker owns.

    Args:
        bootstrap_servers: where Kafka answers.
        app_id: the transactional ids are `<app_id>-<partition>`.
        transaction_timeout_s: after which Kafka aborts a transaction left open.
    """

    def __init__(self, bootstrap_servers: str, app_id: str, transaction_timeout_s: float) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._app_id = app_id
        self._transaction_timeout_s = transaction_timeout_s
        self._held: dict[int, AIOKafkaProducer] = {}

    @property
    def held(self) -> Mapping[int, AIOKafkaProducer]:
        """The producer of each owned partition. A batch takes its producers from here when it is gathered."""
        return self._held

    async def take(self, partitions: Iterable[int]) -> None:
        """Hold exactly the fences of `partitions`, each taken anew: somebody may have held it in between."""
        await self.drop()
        wanted = sorted(set(partitions))
        try:
            producers = await asyncio.gather(*map(self._make, wanted))
        except Exception as exc:  # noqa: BLE001  without its fence no partition may be worked on
            crash(f"the fences of partitions {wanted} could not be taken; check the broker and its ACLs", exc)
        self._held = dict(zip(wanted, producers, strict=True))
        logger.info("fences taken partitions=%s", wanted)

    async def drop(self) -> None:
        """Let all fences go; nothing is in flight."""
        dropped, self._held = self._held, {}
        await asyncio.gather(*(self._stop(partition, producer) for partition, producer in dropped.items()))

    async def _make(self, partition: int) -> AIOKafkaProducer:
        producer = create_transactional_producer(
            self._bootstrap_servers,
            transactional_id=f"{self._app_id}-{partition}",
            transaction_timeout_s=self._transaction_timeout_s,
        )
        await producer.start()
        return producer

    async def _stop(self, partition: int, producer: AIOKafkaProducer) -> None:
        try:
            await asyncio.wait_for(producer.stop(), _STOP_LIMIT_S)
        except Exception as exc:  # noqa: BLE001  it is already fenced or idle: nothing depends on its goodbye
            logger.warning("fence not closed partition=%d error=%r", partition, exc)
