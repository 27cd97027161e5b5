"""Topics of plays and dead letters, and a producer of dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from aiokafka import AIOKafkaProducer, ConsumerRecord

from streamer.kafka.connection import connection_of
from streamer.kafka.letters import Letter, read_letters, survey_letters
from streamer.letters.desk import Desk, desk_of
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from streamer.wire.letters import DeadLetterHeaders, RecordId, ResentHeaders, as_headers, dead_letter, forget_request
from streamer.wire.messages import Cause
from tests.onkafka import create_topic, read_committed

NUM_PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Office:
    """The topics, and a producer that writes dead letters as a worker does."""

    settings: Settings
    producer: AIOKafkaProducer
    offsets: Iterator[int] = field(default_factory=count)

    @property
    def desk(self) -> Desk:
        """What acts on the letters is given."""
        return desk_of(self.settings)

    async def refuse(
        self,
        key: bytes | None,
        value: bytes | None,
        *,
        cause: Cause = Cause.IMPOSSIBLE_TIME,
        partition: int = 0,
        source_offset: int | None = None,
        source_topic: str | None = None,
        resent: ResentHeaders | None = None,
    ) -> RecordId:
        """Write a dead letter to the partition of the same number as its source."""
        headers = DeadLetterHeaders(
            error=cause,
            reason="for a test",
            source_topic=source_topic or self.settings.plays_topic,
            source_partition=partition,
            source_offset=next(self.offsets) if source_offset is None else source_offset,
            worker_version="0.1.0",
            letter=resent.letter if resent else None,
            times_sent=resent.times_sent if resent else 0,
        )
        letter = dead_letter(key, value, headers)
        return await self._write(partition, letter.key, letter.value, letter.headers)

    async def refuse_as_earlier_versions(
        self, key: bytes | None, value: bytes | None, *, cause: Cause = Cause.NOT_JSON, partition: int = 0
    ) -> RecordId:
        """Write a dead letter with the key of its play."""
        plays_topic, offset = self.settings.plays_topic, next(self.offsets)
        headers = DeadLetterHeaders(cause, "for a test", plays_topic, partition, offset, "0.1.0")
        return await self._write(partition, key, value, as_headers(headers))

    async def forget(self, user: bytes, partition: int = 0) -> None:
        """Write the request that a worker writes with a listener's tombstone."""
        request = forget_request(user, RecordId(partition, next(self.offsets)))
        await self._write(partition, request.key, request.value, request.headers)

    async def _write(
        self, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> RecordId:
        topic = self.settings.dead_letter_topic
        sent = await self.producer.send_and_wait(topic, value, key, partition, headers=headers)
        return RecordId(sent.partition, sent.offset)

    async def letters(self) -> list[Letter]:
        """Return the letters that are listed."""
        connection = connection_of(self.settings)
        index = await survey_letters(connection, self.settings.dead_letter_topic)
        async with aclosing(read_letters(connection, index)) as letters:
            return [letter async for letter in letters]

    async def plays(self, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
        """Return the keys and values of a partition of plays."""
        return [(record.key, record.value) for record in await self._read(self.settings.plays_topic, partition)]

    async def _read(self, topic: str, partition: int) -> list[ConsumerRecord[bytes, bytes]]:
        return await read_committed(self.settings.kafka_bootstrap_servers, topic, partition)


@asynccontextmanager
async def opened_office(kafka: DevKafka, topic_prefix: str) -> AsyncIterator[Office]:
    """Create the topics and connect the producer."""
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        app_id=topic_prefix,
        plays_topic=f"{topic_prefix}.plays",
        dead_letter_topic=f"{topic_prefix}.dead-letter",
    )
    compacted = {"cleanup.policy": "compact,delete"}
    for topic, configs in ((settings.plays_topic, None), (settings.dead_letter_topic, compacted)):
        await create_topic(kafka.bootstrap_servers, topic, NUM_PARTITIONS, configs)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        yield Office(settings, producer)
