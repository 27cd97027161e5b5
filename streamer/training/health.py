"""The health of a trainer: whether its archive and its fits get on, for the orchestrator that restarts it.

A trainer whose disk is full, or whose store or Kafka is away, is healthy and not ready: it tries again by itself, and a
restart would only cost it the fit that runs.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamer.kafka.connection import Connection
from streamer.kafka.contact import Contact
from streamer.kafka.offsets import observing
from streamer.metrics import TrainerMetrics

_PERIOD_S: Final = 5.0
_ANSWER_LIMIT_S: Final = 10.0

#: An archive that has records to read but takes none for this long is stuck; longer than it takes to forget a listener.
MAX_ARCHIVE_STANDSTILL_S: Final = 600.0

#: A fit reports each batch, each group of tracks and each stage. One that reports nothing for this long is stuck;
#: judging two million plays and indexing a million tracks report nothing for minutes.
MAX_FIT_SILENCE_S: Final = 1800.0

#: Stages in which there is no fit.
_WITHOUT_FIT: Final = ("", "catch-up", "wait")

#: What could get on, where it is, and since when.
_Places: TypeAlias = dict[Hashable, tuple[Hashable, float]]


class Watch:
    """Looks every few seconds how far archive and fit have come, and says whether the trainer should be restarted.

    Args:
        metrics: of the trainer, which say how far both have come.
        contact: with Kafka.
        clock: seconds.
    """

    def __init__(self, metrics: TrainerMetrics, contact: Contact, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._contact = contact
        self._clock = clock
        self._partitions: _Places = {}
        self._fit: _Places = {}

    async def run(self, connection: Connection, topic: str) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with observing(connection) as consumer:
                    while True:
                        self.note(await self._find_ends(consumer, topic))
                        await asyncio.sleep(_PERIOD_S)
            except (KafkaError, OSError):  # a TimeoutError is an OSError
                self.note({})
            await asyncio.sleep(_PERIOD_S)

    async def _find_ends(self, consumer: AIOKafkaConsumer, topic: str) -> dict[int, int]:
        if not (numbers := list(self._metrics.archived_offsets)):
            return {}
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
        return {partition.partition: end for partition, end in ends.items()}

    def note(self, ends: Mapping[int, int]) -> None:
        """Note how far archive and fit have come; partitions whose end is not known count as archived.

        Args:
            ends: offset behind the last readable record, by partition.
        """
        metrics, now_s = self._metrics, self._clock()
        behind: dict[Hashable, Hashable] = {
            number: archived
            for number, archived in metrics.archived_offsets.items()
            if archived < ends.get(number, 0) and self._contact.reaches(number) and not metrics.problems.get("archive")
        }
        self._partitions = _moved(self._partitions, behind, now_s)
        fitting = metrics.current_stage not in _WITHOUT_FIT
        self._fit = _moved(self._fit, {"fit": (metrics.current_stage, metrics.num_reports)} if fitting else {}, now_s)

    def unhealthy(self) -> str:
        """Say what has had work but no progress for too long; empty if nothing has."""
        now_s = self._clock()
        for number, (_, since_s) in self._partitions.items():
            if now_s - since_s > MAX_ARCHIVE_STANDSTILL_S:
                return f"nothing was archived for {now_s - since_s:.0f} s, though plays wait: partition {number}"
        for _, since_s in self._fit.values():
            if now_s - since_s > MAX_FIT_SILENCE_S:
                return f"the fit has not got on for {now_s - since_s:.0f} s: {self._metrics.current_stage}"
        return ""

    def unready(self) -> str:
        """Say why plays are not archived, or why no release can come of them; empty if both go on."""
        if problem := self._contact.complaint():
            return problem
        if not self._metrics.current_stage:
            return "starting"
        return "; ".join(f"{what}: {problem}" for what, problem in self._metrics.problems.items() if problem)

    def remark(self) -> str:
        """Say what a trainer that is ready does, and what it waits for."""
        doing = f"ok, {self._metrics.current_stage}"
        return f"{doing}, with {self._metrics.awaited}" if self._metrics.awaited else doing


def _moved(seen: _Places, places: Mapping[Hashable, Hashable], now_s: float) -> _Places:
    """Return the places, each with the time since when it is the same."""
    return {
        what: seen[what] if what in seen and seen[what][0] == place else (place, now_s)
        for what, place in places.items()
    }
