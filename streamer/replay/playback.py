"""Playback: a recording is sent through a cluster as fast as it is answered, until every play is.

The number of unanswered plays is bounded, so that the latency is that of workers under full load, not the length of a
queue. A play's answers and its state are one transaction: an answered play has been applied.
"""

import time
from collections.abc import Callable
from itertools import starmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.errors import RefrainError
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.producers import Delivery, create_producer, send_all
from streamer.replay.collector import AnswerReader, Collector
from streamer.replay.recording import Recording

#: Called several times a second with the numbers of plays sent and answered; may raise to end the playback.
Watch = Callable[[int, int], None]

_SLICE_PLAYS: Final = 200  # sent at once
_MAX_BATCH_BYTES: Final = 1 << 20

#: Longer than a rebalance after a kill and the recovery that follows.
_MAX_STANDSTILL_S: Final = 180.0


class PlaybackError(RefrainError):
    """Raised when plays stay unanswered, or another producer writes to the topic of a replay."""


class Playback:
    """Sends a recording and waits for its answers.

    Args:
        recording: P plays.
        collector: records the answers.
        reader: fills the collector.
        connection: to Kafka.
        topic: of plays, empty.
        max_under_way: the most plays sent but not yet answered.
    """

    def __init__(
        self,
        recording: Recording,
        collector: Collector,
        reader: AnswerReader,
        connection: Connection,
        *,
        topic: str,
        max_under_way: int,
    ) -> None:
        self._recording = recording
        self._collector = collector
        self._reader = reader
        self._producer = create_producer(connection, max_batch_bytes=_MAX_BATCH_BYTES)
        self._topic = topic
        self._max_under_way = max_under_way
        self._num_sent = 0
        self._next_offsets = [0] * recording.num_partitions
        self._sent_at_ms = np.zeros(len(recording), np.int64)  # (P,), by place

    async def run(self, watch: Watch) -> None:
        """Send every play and collect every answer, including repeated ones.

        Raises:
            PlaybackError: no play was answered for a long time, or another producer writes to the topic.
        """
        async with running(self._producer), running(self._reader):
            num_settled, moved_s = 0, time.monotonic()
            while num_settled < len(self._recording):
                while self._num_sent < min(len(self._recording), num_settled + self._max_under_way):
                    await self._send_slice()
                await self._reader.read()
                if self._collector.num_settled > num_settled:
                    num_settled, moved_s = self._collector.num_settled, time.monotonic()
                self._reject_standstill(num_settled, time.monotonic() - moved_s)
                watch(self._num_sent, num_settled)
            await self._reader.read_to_end()

    def times_ms(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return when each answered play was sent and answered, by Kafka's timestamps: int64 (answered plays,) each."""
        answered_at_ms = self._collector.answered_at_ms
        answered = answered_at_ms > 0
        return self._sent_at_ms[answered], answered_at_ms[answered]

    async def _send_slice(self) -> None:
        """Send the next plays, one record batch per partition; return once Kafka has them."""
        places = self._recording.order[self._num_sent : self._num_sent + _SLICE_PLAYS]
        by_partition = self._recording.split_by_partition(places)
        sent = await send_all(starmap(self._send_batch, by_partition.items()))
        for partition, delivery in zip(by_partition, sent, strict=True):
            if delivery.offset != self._next_offsets[partition]:
                raise PlaybackError(
                    f"{self._topic}-{partition} has a record at offset {self._next_offsets[partition]} that this "
                    "replay did not send; stop other producers of that topic"
                )
            self._next_offsets[partition] += len(by_partition[partition])
        self._num_sent += len(places)

    async def _send_batch(self, partition: int, places: NDArray[np.int64]) -> Delivery:
        batch = self._producer.create_batch()
        now_ms = time.time_ns() // 1_000_000
        for key, value in self._recording.encode(places):
            assert batch.append(timestamp=now_ms, key=key, value=value) is not None, "a slice fits one record batch"
        batch.close()
        self._sent_at_ms[places] = now_ms
        delivery: Delivery = await self._producer.send_batch(batch, self._topic, partition=partition)
        return delivery

    def _reject_standstill(self, num_settled: int, standstill_s: float) -> None:
        if standstill_s > _MAX_STANDSTILL_S:
            raise PlaybackError(
                f"no play was answered for {standstill_s:.0f} s; {num_settled} of {len(self._recording)} are answered, "
                f"{self._num_sent} were sent: read the workers' logs"
            )
