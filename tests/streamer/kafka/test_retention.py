import asyncio
import math

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streamer.kafka import retention
from streamer.local.devkafka import DevKafka
from tests.onkafka import admin_of, create_topic
from tests.until import until

pytestmark = pytest.mark.kafka


async def test_a_retention_that_is_lengthened_shows_without_a_restart(
    kafka: DevKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PERIOD_S", 0.05)
    await create_topic(kafka.bootstrap_servers, topic_prefix, configs={"retention.ms": "60000"})
    shown: list[float] = []
    showing = asyncio.create_task(retention.show_retention(kafka.connection, topic_prefix, shown.append))
    await until(lambda: shown[-1:] == [60.0], "it is shown")

    async with admin_of(kafka.bootstrap_servers) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_prefix, {"retention.ms": "-1"})])

    await until(lambda: shown[-1] == math.inf, "the change is shown")
    showing.cancel()
