"""The fences: one transactional producer per owned partition, which locks out the partition's previous owner.

A worker takes a partition's producer on assignment, before recovery. From then on every transaction of the previous
owner fails with `ProducerFenced`: a worker that was frozen while its partitions moved writes nothing after it thaws.

Kafka forgets a producer whose partition is quiet for `transactional.id.expiration.ms` (a week). Its next transaction
fails, and the restarted worker takes a new one.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.errors import TransactionalIdAuthorizationFailed

from streamer.errors import AccessError
from streamer.kafka.clients import watch_tasks
from streamer.kafka.connection import Connection
from streamer.kafka.producers import create_transactional_producer
from streamer.runtime.crash import crash, refuse

logger = logging.getLogger(__name__)

#: How long an old producer may take to close, seconds.
_STOP_LIMIT_S = 5.0


class Fences:
    """The transactional producers of the partitions this worker owns.

    Args:
        connection: to Kafka.
        app_id: the transactional ids are `<app_id>-<partition>`.
        transaction_timeout_s: Kafka aborts a transaction left open for this long.
    """

    def __init__(self, connection: Connection, app_id: str, transaction_timeout_s: float) -> None:
        self._connection = connection
        self._app_id = app_id
        self._transaction_timeout_s = transaction_timeout_s
        self._held: dict[int, AIOKafkaProducer] = {}

    @property
    def held(self) -> Mapping[int, AIOKafkaProducer]:
        """The producer of each owned partition. A batch takes its producers from here while it is gathered."""
        return self._held

    async def take(self, partitions: Iterable[int]) -> None:
        """Hold exactly the fences of `partitions`; retake those already held, as another worker may have had them."""
        await self.drop()
        numbers = sorted(set(partitions))
        try:
            producers = await asyncio.gather(*map(self._make, numbers))
        except TransactionalIdAuthorizationFailed:
            refuse(AccessError(f"the right is missing: Write on transactional id {self._app_id}-*; see docs/access.md"))
        except Exception as exc:  # noqa: BLE001  a partition is processed only under its fence
            crash(f"the fences of partitions {numbers} could not be taken; check the broker and its ACLs", exc)
        self._held = dict(zip(numbers, producers, strict=True))
        logger.info("fences taken partitions=%s", numbers)

    async def drop(self) -> None:
        """Close all fences; no transaction may be in flight."""
        dropped, self._held = self._held, {}
        await asyncio.gather(*(self._stop(partition, producer) for partition, producer in dropped.items()))

    async def _make(self, partition: int) -> AIOKafkaProducer:
        producer = create_transactional_producer(
            self._connection,
            transactional_id=f"{self._app_id}-{partition}",
            transaction_timeout_s=self._transaction_timeout_s,
        )
        await producer.start()
        watch_tasks(producer, f"producer of partition {partition}")
        return producer

    async def _stop(self, partition: int, producer: AIOKafkaProducer) -> None:
        try:
            await asyncio.wait_for(producer.stop(), _STOP_LIMIT_S)
        except Exception as exc:  # noqa: BLE001  it is fenced or idle: nothing depends on a clean close
            logger.warning("fence not closed partition=%d error=%r", partition, exc)
