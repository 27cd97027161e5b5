"""How long Kafka keeps plays: asked for again and again, so that whoever lengthens it sees that it helps."""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection

logger = logging.getLogger(__name__)

_PERIOD_S: Final = 30.0


async def find_retention_s(connection: Connection, topic: str) -> float:
    """Return for how many seconds Kafka keeps a topic's records: infinity for ever, NaN if that may not be read."""
    async with KafkaAdmin(connection) as admin:
        retention = (await admin.read_topic_configs(topic)).get("retention.ms")
    if retention is None:
        return math.nan
    return math.inf if int(retention) < 0 else int(retention) / 1000


async def show_retention(connection: Connection, topic: str, show: Callable[[float], None]) -> None:
    """Show for how many seconds Kafka keeps records, now and every half a minute, until cancelled."""
    while True:
        try:
            show(await find_retention_s(connection, topic))
        except (KafkaError, OSError) as exc:
            logger.debug("retention not read: %s", exc)
        await asyncio.sleep(_PERIOD_S)
