"""A steady load of plays and a ledger that holds each against its answers, by partition and offset."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamer.wire.messages import Recommendation
from tests.faults.harness import Deployment
from tests.faults.load import NUM_PARTITIONS, TRACKS
from tests.until import until

_PERIOD_S: Final = 0.02

#: How long a load runs before the body, seconds.
_STEADY_S: Final = 4.0

_read_answer = msgspec.json.Decoder(Recommendation).decode


@dataclass(frozen=True, slots=True)
class Roll:
    """What a rolling restart did to the answers.

    Attributes:
        plays: how many were sent.
        lost: of them, how many were never answered.
        twice: how many answers were one too many.
        gaps_s: for each partition, the longest time between two answers.
        p50_ms: latency, from sending a play to reading its answer, while workers restarted.
        p99_ms: the same.
        late: plays answered after more than a second.
        ending_s: for each worker, from SIGTERM to the end of its process.
        away_s: for each worker, from there to the first line of the next.
    """

    plays: int
    lost: int
    twice: int
    gaps_s: Sequence[float]
    p50_ms: float
    p99_ms: float
    late: int
    ending_s: Sequence[float]
    away_s: Sequence[float]


@dataclass(slots=True)
class Ledger:
    """Plays and their answers, by partition and offset.

    Attributes:
        sent_ms: when each play was sent, ms since the epoch.
        answers: how often each was answered.
        read: of each partition, the offset that was answered and when that was read, in order.
    """

    sent_ms: dict[tuple[int, int], float] = field(default_factory=dict)
    answers: Counter[tuple[int, int]] = field(default_factory=Counter)
    read: dict[int, list[tuple[int, float]]] = field(
        default_factory=lambda: {partition: [] for partition in range(NUM_PARTITIONS)}
    )

    def is_complete(self) -> bool:
        """Whether each play has an answer."""
        return self.sent_ms.keys() <= self.answers.keys()

    def draw_up(self, began_ms: float, ending_s: Sequence[float], away_s: Sequence[float]) -> Roll:
        """Sum up what was sent after a moment."""
        latencies_ms = np.array(
            [
                read_ms - self.sent_ms[partition, offset]
                for partition, reads in self.read.items()
                for offset, read_ms in reads
                if self.sent_ms.get((partition, offset), 0) > began_ms
            ]
        )
        return Roll(
            plays=len(self.sent_ms),
            lost=len(self.sent_ms.keys() - self.answers.keys()),
            twice=sum(self.answers[play] - 1 for play in self.sent_ms if self.answers[play] > 1),
            gaps_s=[
                round(max(after - before for (_, before), (_, after) in pairwise(reads)) / 1000, 2)
                for reads in self.read.values()
            ],
            p50_ms=round(float(np.quantile(latencies_ms, 0.5)), 1),
            p99_ms=round(float(np.quantile(latencies_ms, 0.99)), 1),
            late=int((latencies_ms > 1000).sum()),
            ending_s=ending_s,
            away_s=away_s,
        )


class _Load:
    """Plays at a steady rate on every partition, and their answers."""

    def __init__(self, deployment: Deployment, listeners: int, rate: int) -> None:
        self._deployment = deployment
        self._listeners = listeners
        self._per_period = rate * _PERIOD_S
        self._rng = np.random.default_rng(1)
        self.ledger = Ledger()

    async def send(self, producer: AIOKafkaProducer) -> None:
        """Send plays until cancelled, on time however late the loop is."""
        loop = asyncio.get_running_loop()
        began_s, num_sent = loop.time(), 0
        while True:
            due = int((loop.time() - began_s) / _PERIOD_S * self._per_period)
            for number in self._rng.integers(self._listeners, size=due - num_sent).tolist():
                at_ms = time.time() * 1000
                user, partition = f"u{number}", number % NUM_PARTITIONS
                value = json.dumps({"user_id": user, "track_id": TRACKS[number % 7], "played_at": int(at_ms)}).encode()
                sent = await producer.send(self._deployment.settings.plays_topic, value, user.encode(), partition)
                sent.add_done_callback(lambda done, at_ms=at_ms: self._note(done, at_ms))
            num_sent = due
            await asyncio.sleep(_PERIOD_S)

    def _note(self, done: asyncio.Future[Any], at_ms: float) -> None:
        if not done.cancelled():
            self.ledger.sent_ms[done.result().partition, done.result().offset] = at_ms

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Read answers until cancelled."""
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=20)).items():
                read_ms = time.time() * 1000
                for record in records:
                    answer = _read_answer(record.value)
                    self.ledger.answers[answer.source_partition, answer.source_offset] += 1
                    self.ledger.read[tp.partition].append((answer.source_offset, read_ms))


@asynccontextmanager
async def loaded(deployment: Deployment, listeners: int, rate: int) -> AsyncIterator[Ledger]:
    """Keep plays coming while the body runs; then wait for their answers."""
    topic = deployment.settings.short_term_topic
    async with (
        AIOKafkaConsumer(
            bootstrap_servers=deployment.bootstrap_servers, isolation_level="read_committed",
            enable_auto_commit=False, fetch_max_wait_ms=20,
        ) as consumer,
        AIOKafkaProducer(bootstrap_servers=deployment.bootstrap_servers, enable_idempotence=True) as producer,
    ):  # fmt: skip
        partitions = [TopicPartition(topic, number) for number in range(NUM_PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        load = _Load(deployment, listeners, rate)
        sending, reading = asyncio.create_task(load.send(producer)), asyncio.create_task(load.read(consumer))
        try:
            await asyncio.sleep(_STEADY_S)
            yield load.ledger
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await producer.flush()
            await until(load.ledger.is_complete, "each play is answered")
            await asyncio.sleep(1)  # an answer too many would come now
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)
