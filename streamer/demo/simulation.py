"""Simulated listening on any Kafka, for somebody who has no plays yet: at a steady rate, until it is stopped.

Listeners live faster than the clock until they reach it, and go on with it. Whoever starts again continues behind the
latest play on the topic, so nobody's time goes back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer, TopicPartition

from streamer.demo.traffic import START_MS
from streamer.kafka.clients import hear, running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_until
from streamer.kafka.offsets import observing
from streamer.kafka.producers import Delivery, create_producer
from streamer.local.simulator import SimulatedPlay, simulate
from streamer.local.world import World
from streamer.wire.plays import decode_records

_TICK_S: Final = 0.02
_MAX_CATCH_UP_S: Final = 1.0  # the part of a stall that is caught up; the rest is dropped
_LATEST_RECORDS: Final = 100  # of a partition: among them is its latest play, but for a few out of order
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens, to what, and how fast they live."""

    world: World
    plays_per_s: float

    @classmethod
    def gather(cls, num_listeners: int, num_tracks: int, plays_per_s: float) -> Self:
        """Gather the same listeners each time, so that they know the music of the last."""
        return cls(World.build(np.random.default_rng(_SEED), num_listeners, num_tracks), plays_per_s)


class _Outbox:
    """Sends plays, and raises what Kafka refused of them."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._sent: deque[Delivery] = deque()
        self.num_sent = 0

    async def send(self, play: SimulatedPlay) -> None:
        self._sent.append(await self._producer.send(self._topic, msgspec.json.encode(play), play.user_id.encode()))
        hear(self._sent[-1])
        self.num_sent += 1

    def check(self) -> None:
        while self._sent and self._sent[0].done():
            self._sent.popleft().result()


async def send_listening(
    connection: Connection, topic: str, num_partitions: int, audience: Audience, is_over: Callable[[], bool]
) -> int:
    """Send plays until it is over, which is asked every few milliseconds; return how many.

    Raises:
        KafkaError: Kafka refused a play, or cannot be reached.
    """
    start_ms = await find_latest_ms(connection, topic, num_partitions) + 1
    plays = simulate(audience.world, np.random.default_rng((_SEED, start_ms)), start_ms)
    async with running(create_producer(connection, max_batch_bytes=1 << 17, linger_ms=2)) as producer:
        outbox, play = _Outbox(producer, topic), next(plays)
        due, last_s = 0.0, time.monotonic()
        while not is_over():
            await asyncio.sleep(_TICK_S)
            now_s = time.monotonic()
            due += audience.plays_per_s * min(now_s - last_s, _MAX_CATCH_UP_S)
            last_s = now_s
            while due >= 1 and play.played_at <= time.time() * 1000:
                await outbox.send(play)
                play, due = next(plays), due - 1
            due = min(due, 1.0)
            outbox.check()
        await producer.flush()
        outbox.check()
    return outbox.num_sent


async def find_latest_ms(connection: Connection, topic: str, num_partitions: int) -> int:
    """Return when the latest play on the topic was played; without any, when simulated time begins."""
    partitions = [TopicPartition(topic, number) for number in range(num_partitions)]
    async with observing(connection) as consumer:
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    starts = {tp: max(begins[tp], end - _LATEST_RECORDS) for tp, end in ends.items()}
    records = [record async for record in read_until(connection, ends, starts=starts)]
    return int(decode_records(records).plays.played_at_ms.max(initial=START_MS))
