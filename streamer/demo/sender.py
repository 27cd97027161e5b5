"""The sender sends the traffic to Kafka, at once or at a steady rate, and records what Kafka acknowledged."""

import asyncio
import functools
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from aiokafka.structs import RecordMetadata

from streamer.demo.ledger import Ledger
from streamer.demo.scores import Judge
from streamer.demo.traffic import Message
from streamer.kafka.connection import Connection
from streamer.kafka.producers import create_producer

_TICK_S: Final = 0.02
_BREATH_PLAYS: Final = 100  # after which other tasks get their turn
_MAX_CATCH_UP_S: Final = 1.0  # the part of a stall that is caught up; the rest is dropped


class Sender:
    """Sends messages in order, each once: the producer is idempotent.

    Args:
        connection: to Kafka.
        topic: of the plays.
        traffic: the messages to send.
        ledger: receives what Kafka has acknowledged.
        judge: receives each play when it is sent.
    """

    def __init__(
        self, connection: Connection, topic: str, traffic: Iterator[Message], ledger: Ledger, judge: Judge
    ) -> None:
        self._producer = create_producer(connection, max_batch_bytes=1 << 17, linger_ms=2)
        self._topic = topic
        self._traffic = traffic
        self._ledger = ledger
        self._judge = judge
        self._failure: BaseException | None = None
        self.num_sent = 0
        self.played_at_ms: int | None = None

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect once everything is acknowledged."""
        await self._producer.stop()

    async def send(self, num_messages: int) -> None:
        """Send the next messages as fast as Kafka accepts them.

        Raises:
            KafkaError: Kafka refused a message.
        """
        for number, message in enumerate(islice(self._traffic, num_messages), start=1):
            if message.play is not None:
                self._judge.play(message.play)
                self.played_at_ms = message.play.played_at
            note = functools.partial(self._note, message, time.monotonic())
            (await self._producer.send(self._topic, message.value, message.key)).add_done_callback(note)
            self.num_sent += 1
            if number % _BREATH_PLAYS == 0:
                await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure

    async def send_steadily(self, messages_per_s: float, is_over: Callable[[], bool]) -> None:
        """Send at a rate until `is_over`, which is checked every few milliseconds.

        Raises:
            KafkaError: Kafka refused a message.
        """
        due, last_s = 0.0, time.monotonic()
        while not is_over():
            await asyncio.sleep(_TICK_S)
            now_s = time.monotonic()
            due += messages_per_s * min(now_s - last_s, _MAX_CATCH_UP_S)
            last_s = now_s
            await self.send(int(due))
            due -= int(due)

    async def flush(self) -> None:
        """Wait until Kafka has acknowledged everything.

        Raises:
            KafkaError: Kafka refused a message.
        """
        await self._producer.flush()
        if self._failure is not None:
            raise self._failure

    def _note(self, message: Message, sent_s: float, acknowledged: "asyncio.Future[RecordMetadata]") -> None:
        if acknowledged.cancelled():
            return
        if (failure := acknowledged.exception()) is not None:
            self._failure = failure
            return
        metadata = acknowledged.result()
        if message.play is None:
            self._ledger.send_bad(metadata.partition, metadata.offset, sent_s)
        else:
            self._ledger.send_play(message.play.user_id, metadata.partition, metadata.offset, sent_s)
