"""A probe: it keeps playing on every partition, and records when answers come."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamer.wire.messages import Recommendation
from tests.faults.harness import Deployment
from tests.faults.load import NUM_PARTITIONS, TRACKS
from tests.until import until

#: Seconds between two plays on one partition: the resolution of a gap.
_PERIOD_S: Final = 0.05

_read_answer = msgspec.json.Decoder(Recommendation).decode


@dataclass(slots=True)
class Probe:
    """Keeps playing on every partition, and records when each play was answered; created by `probing`.

    Attributes:
        answered: for each partition, when a play was sent and when its answer was read, ms since the epoch, in order.
    """

    answered: dict[int, list[tuple[int, float]]] = field(
        default_factory=lambda: {partition: [] for partition in range(NUM_PARTITIONS)}
    )

    def first_after(self, at_ms: float, partition: int) -> float | None:
        """Return when the first play sent after a moment was answered, ms since the epoch; None if not yet."""
        return next((read_ms for sent_ms, read_ms in self.answered[partition] if sent_ms > at_ms), None)

    def gap_s(self, at_ms: float, partition: int) -> float:
        """Return the longest time without an answer around or after a moment, in seconds."""
        reads_ms = [read_ms for _, read_ms in self.answered[partition]]
        before_ms = max((read_ms for read_ms in reads_ms if read_ms <= at_ms), default=at_ms)
        times_ms = [before_ms, *(read_ms for read_ms in reads_ms if read_ms > at_ms)]
        return max(after - before for before, after in pairwise(times_ms)) / 1000

    async def answered_again(self, at_ms: float) -> None:
        """Wait until every partition has answered a play sent after a moment."""
        await until(
            lambda: all(self.first_after(at_ms, partition) for partition in self.answered),
            "all partitions are answered",
        )

    async def send(self, producer: AIOKafkaProducer, topic: str) -> None:
        """Send plays forever."""
        while True:
            at_ms = time.time_ns() // 1_000_000
            for partition in range(NUM_PARTITIONS):
                user = f"probe-{partition}"
                await producer.send(topic, play_of(user, at_ms), user.encode(), partition)
            await asyncio.sleep(_PERIOD_S)

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Read answers forever."""
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=20)).items():
                read_ms = time.time() * 1000
                self.answered[tp.partition] += [(_read_answer(record.value).played_at, read_ms) for record in records]


@asynccontextmanager
async def probing(deployment: Deployment) -> AsyncIterator[Probe]:
    """Run a probe while the body runs."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    async with consumer:
        partitions = [TopicPartition(deployment.settings.short_term_topic, number) for number in range(NUM_PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        probe = Probe()
        tasks = [
            asyncio.create_task(probe.send(deployment.producer, deployment.settings.plays_topic)),
            asyncio.create_task(probe.read(consumer)),
        ]
        try:
            await probe.answered_again(0)
            yield probe
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def play_of(user: str, at_ms: int) -> bytes:
    """Write a play as a producer does."""
    return json.dumps({"user_id": user, "track_id": TRACKS[0], "played_at": at_ms}).encode()
