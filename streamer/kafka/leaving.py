"""How a static member leaves its group, so that the others share its partitions at once.

aiokafka's static members never leave: a group waits for one that has ended until its session expires. Since Kafka 2.4
a static member may leave all the same, by its identity (KIP-345). Only this file may replace how aiokafka's coordinator
leaves.
"""

import logging

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, NoError, for_code

from streamer.kafka.requests import leave

logger = logging.getLogger(__name__)


def leave_at_the_end(consumer: AIOKafkaConsumer, identity: str) -> None:
    """Let a started consumer, a static member, leave its group when it stops, after its last commit and heartbeat."""
    coordinator = consumer._coordinator  # noqa: SLF001  has no public hook for its end

    async def leave_group() -> None:
        is_ending = coordinator._closing.done()  # noqa: SLF001  aiokafka calls this for an idle member too
        if is_ending and coordinator.generation > 0:
            request = leave(coordinator.group_id, coordinator.member_id, identity)
            try:
                error = for_code(await coordinator._send_req(request))  # noqa: SLF001  asks the group's coordinator
            except KafkaError as exc:
                error = type(exc)
            if error is NoError:
                logger.info("group left: the partitions are handed over")
            else:
                logger.warning("group not left error=%s; the partitions wait for the session timeout", error.__name__)
        coordinator.reset_generation()

    coordinator._maybe_leave_group = leave_group  # noqa: SLF001
