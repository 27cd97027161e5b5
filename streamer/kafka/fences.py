"""The fences: one transactional producer per owned partition, which locks out the partition's previous owner.

A worker takes a partition's producer on assignment, before recovery. From then on every transaction of the previous
owner fails with `ProducerFenced`: a worker that was frozen while its partitions moved writes nothing after it thaws.

Kafka forgets a producer whose partition is quiet for `transactional.id.expiration.ms` (a week). Its next transaction
fails, and the restarted worker takes a new one.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import TransactionalIdAuthorizationFailed

from streamer.errors import AccessError
from streamer.kafka.clients import closing_connections, watch_tasks
from streamer.kafka.connection import Connection
from streamer.kafka.fence import Fence
from streamer.runtime.crash import crash, refuse

logger = logging.getLogger(__name__)

#: How long the connections of old producers may take to close, seconds.
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
        self._held: dict[int, Fence] = {}
        self._client: AIOKafkaClient | None = None

    @property
    def held(self) -> Mapping[int, Fence]:
        """The producer of each owned partition. A batch takes its producers from here while it is gathered."""
        return self._held

    async def take(self, partitions: Iterable[int]) -> None:
        """Hold exactly the fences of `partitions`; retake those already held, as another worker may have had them."""
        await self.drop()
        numbers = sorted(set(partitions))
        if not numbers:
            return
        try:
            held = await self._take(numbers)
        except TransactionalIdAuthorizationFailed:
            refuse(AccessError(f"the right is missing: Write on transactional id {self._app_id}-*; see docs/access.md"))
        except Exception as exc:  # noqa: BLE001  a partition is processed only under its fence
            crash(f"the fences of partitions {numbers} could not be taken; check the broker and its ACLs", exc)
        self._held = held
        logger.info("fences taken partitions=%s", numbers)

    async def drop(self) -> None:
        """Close all fences; no transaction may be in flight."""
        self._held = {}
        dropped, self._client = self._client, None
        if dropped is None:
            return
        try:
            await asyncio.wait_for(dropped.close(), _STOP_LIMIT_S)
        except Exception as exc:  # noqa: BLE001  they are fenced or idle: nothing depends on a clean close
            logger.warning("fences not closed error=%r", exc)

    async def _take(self, numbers: Sequence[int]) -> dict[int, Fence]:
        self._client = AIOKafkaClient(**self._connection.client_options())
        with closing_connections():
            await self._client.bootstrap()
        watch_tasks(self, "fences")
        held = {
            number: Fence(self._client, f"{self._app_id}-{number}", number, self._transaction_timeout_s)
            for number in numbers
        }
        await asyncio.gather(*(fence.take() for fence in held.values()))
        return held
