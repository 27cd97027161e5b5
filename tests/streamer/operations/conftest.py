"""Topics of plays and dead letters, and a producer of dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio
from aiokafka import AIOKafkaProducer, ConsumerRecord

from streamer.local.devkafka import DevKafka
from streamer.operations.letters import RecordId
from streamer.settings import Settings
from streamer.wire.messages import Cause, DeadLetterHeaders, dead_letter
from tests.onkafka import create_topic, read_committed

NUM_PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Office:
    """The topics, and a producer that writes dead letters as a worker does."""

    settings: Settings
    producer: AIOKafkaProducer

    async def refuse(
        self,
        key: bytes | None,
        value: bytes | None,
        *,
        cause: Cause = Cause.IMPOSSIBLE_TIME,
        partition: int = 0,
        source_offset: int = 0,
        source_topic: str | None = None,
    ) -> RecordId:
        """Write a dead letter to the partition of the same number as its source."""
        headers = DeadLetterHeaders(
            error=cause,
            reason="for a test",
            source_topic=source_topic or self.settings.plays_topic,
            source_partition=partition,
            source_offset=source_offset,
            worker_version="0.1.0",
        )
        letter = dead_letter(key, value, headers)
        sent = await self.producer.send_and_wait(
            self.settings.dead_letter_topic, letter.value, letter.key, partition, headers=letter.headers
        )
        return RecordId(sent.partition, sent.offset)

    async def plays(self, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
        """Return the keys and values of a partition of plays."""
        return [(record.key, record.value) for record in await self._read(self.settings.plays_topic, partition)]

    async def _read(self, topic: str, partition: int) -> list[ConsumerRecord[bytes, bytes]]:
        return await read_committed(self.settings.kafka_bootstrap_servers, topic, partition)


@pytest_asyncio.fixture
async def office(kafka: DevKafka, topic_prefix: str) -> AsyncIterator[Office]:
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        app_id=topic_prefix,
        plays_topic=f"{topic_prefix}.plays",
        dead_letter_topic=f"{topic_prefix}.dead-letter",
    )
    for topic in (settings.plays_topic, settings.dead_letter_topic):
        await create_topic(kafka.bootstrap_servers, topic, NUM_PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        yield Office(settings, producer)
