"""A changelog that is compacted at once: in seconds, the state that a busy cluster reaches after weeks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import ConsumerRecord
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.faults.harness import Deployment, read_topic
from tests.onkafka import admin_of
from tests.until import DEADLINE_S

Records = Sequence[ConsumerRecord[bytes, bytes]]

#: For a broker whose cleaner never rests.
CLEANING_CONFIG: Final = {"log.cleaner.backoff.ms": 200}

#: For a topic that is compacted all the time, except for its newest records.
_CLEANED: Final = {
    "cleanup.policy": "compact",
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0",
    "max.compaction.lag.ms": "1000",
}

#: The retention of tombstones that a worker requires, and one that removes them as if it had passed.
A_WEEK_MS: Final = 7 * 24 * 3600 * 1000
AT_ONCE_MS: Final = 0


async def clean(deployment: Deployment, *, delete_retention_ms: int) -> None:
    """Have the changelog compacted from now on."""
    configs = _CLEANED | {"delete.retention.ms": str(delete_retention_ms)}
    async with admin_of(deployment.bootstrap_servers) as admin:
        topic = ConfigResource(ConfigResourceType.TOPIC, deployment.settings.changelog_topic, configs)
        for response in await admin.alter_configs([topic]):
            assert all(code == 0 for code, *_ in response.resources), response


async def feed_until_cleaned(deployment: Deployment, condition: Callable[[Records], bool], what: str) -> None:
    """Keep producing, so that segments fill, until a condition on the changelog's records holds."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition(records := await read_topic(deployment.bootstrap_servers, deployment.settings.changelog_topic)):
        assert time.monotonic() < deadline_s, f"waited {DEADLINE_S:.0f} s in vain until {what}: {len(records)} records"
        await deployment.feed(30)
        await deployment.all_done()
