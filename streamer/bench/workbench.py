"""The workbench: a worker's own pipeline, on batches of one size, with a disk and without Kafka."""

import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from models.release import Release
from streamer.bench.audience import Audience
from streamer.bench.timing import LEAST_ROUNDS, Times, rounds
from streamer.faust.table import ListenerTable
from streamer.kafka.chunk import Chunk
from streamer.kafka.fence import Fence
from streamer.kafka.fences import Fences
from streamer.kafka.record_batch import RecordBatch
from streamer.metrics import STEPS, WorkerMetrics
from streamer.runtime.disk import Disk
from streamer.settings import Settings
from streamer.wire.changelog import Item, listener_key
from streamer.wire.messages import Cause
from streamer.wire.recommendations import ListEncoder
from streamer.worker.app import create_worker
from streamer.worker.pipeline import Answering
from streamer.worker.shelf import Champion

Batches = Mapping[str, Sequence[RecordBatch]]

_ROUND_PLAYS: Final = 64  # a round of small batches has as many plays at least
_MOST_ROUNDS: Final = 200
_WRITTEN_AT_ONCE: Final = 1000
_STORE_KEYS: Final = 500
_STORE_ROUNDS: Final = 12


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """What batches of one size took.

    Attributes:
        size: plays in a batch.
        whole: from fetched bytes to the states on the disk, in rounds of one or more batches.
        batch_s: wall time of each batch.
        steps: the same rounds step by step; `commit` is the disk alone.
        written: what the last batch would have written to Kafka, by topic.
    """

    size: int
    whole: Times
    batch_s: list[float]
    steps: Mapping[str, Times]
    written: Batches


@dataclass(frozen=True, slots=True)
class StoreTimes:
    """What the store took, for states that were not read or written lately.

    Attributes:
        read: of a state.
        written: of a state.
        bytes_per_listener: on the disk.
    """

    read: Times
    written: Times
    bytes_per_listener: float


class _Unsent(Fence):
    """Takes what a transaction would write, and sends nothing."""

    def __init__(self) -> None:
        self.batches: Batches = {}

    async def begin(self, topics: Collection[str]) -> None:
        """Begin nothing."""

    async def send(self, batches: Batches) -> dict[str, int]:
        """Number the records, and sum their bytes up, as for Kafka."""
        for of_topic in batches.values():
            for batch in of_topic:
                batch.encode(0, 0, 0)
        self.batches = batches
        return dict.fromkeys(batches, 1)

    async def commit(self) -> None:
        """Commit nothing."""


class _Held(Fences):
    """Holds a fence that sends nothing, of one partition."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    @property
    def held(self) -> Mapping[int, Fence]:
        """The fence."""
        return {0: self._fence}


class _StepTimes(WorkerMetrics):
    """Times the steps of batches, with their CPU."""

    def __init__(self) -> None:
        super().__init__(causes=list(Cause))
        self.steps: dict[str, Times] = {}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Time a step."""
        with self.steps[step].timed():
            yield


class Workbench:
    """Answers plays as a worker with the same settings does.

    Args:
        answering: of that worker.
        audience: whose plays are answered, in turn.
        fence: takes what is written.
        metrics: time the steps.
    """

    def __init__(self, answering: Answering, audience: Audience, fence: _Unsent, metrics: _StepTimes) -> None:
        self._answering = answering
        self._audience = audience
        self._fence = fence
        self._metrics = metrics
        self._turns = cycle(range(len(audience)))
        self._next_offset = 0

    async def time_batches(self, size: int, limit_s: float) -> BatchTimes:
        """Answer batches for some seconds; the first one is not counted."""
        per_round = max(1, _ROUND_PLAYS // size)
        whole, batch_s = Times(per_round * size), list[float]()
        steps = {step: Times(per_round * size) for step in STEPS}
        await self._answer(self._chunk(size), {step: Times(size) for step in STEPS})
        for _ in rounds(limit_s, _MOST_ROUNDS):
            chunks, parts = [self._chunk(size) for _ in range(per_round)], {step: Times(size) for step in STEPS}
            with whole.timed():
                for chunk in chunks:
                    begin_s = time.perf_counter()
                    await self._answer(chunk, parts)
                    batch_s.append(time.perf_counter() - begin_s)
            for step, part in parts.items():
                steps[step].wall_s.append(sum(part.wall_s))
                steps[step].cpu_s.append(sum(part.cpu_s))
        return BatchTimes(size, whole, batch_s, steps, self._fence.batches)

    async def _answer(self, chunk: Chunk, steps: dict[str, Times]) -> None:
        self._metrics.steps = steps
        await self._answering.answer_batch([chunk])

    def _chunk(self, size: int) -> Chunk:
        """Fetch the next plays, of other listeners than the last."""
        now_ms, records = int(time.time() * 1000), []
        for turn in islice(self._turns, size):
            user, play = self._audience.users[turn], self._audience.plays[turn]
            records.append(
                ConsumerRecord("plays", 0, self._next_offset, now_ms, 0, user, play, None, len(user), len(play), ())
            )
            self._next_offset += 1
        return Chunk(0, records, 0.0, _acknowledge)


async def _acknowledge() -> None:
    """Acknowledge nothing."""


@asynccontextmanager
async def open_workbench(
    settings: Settings, release: Release, audience: Audience
) -> AsyncIterator[tuple[Workbench, StoreTimes]]:
    """Write the states of an audience to a store, time it, and yield a workbench on top of it.

    Args:
        settings: of a worker, with a state directory of its own.
        release: that answers.
        audience: all listeners.
    """
    worker = create_worker(settings, num_partitions=1)
    table, fence, metrics = worker.answering.table, _Unsent(), _StepTimes()
    worker.app.finalize()
    try:
        bytes_per_listener = await _fill(table, audience, settings.state_dir)
        _open(table)
        read, written = _time_store(table, audience)
        worker.answering.releases.champion = Champion(release, 1, ListEncoder(release.catalogue.track_ids))
        answering = replace(worker.answering, fences=_Held(fence), metrics=metrics)
        yield Workbench(answering, audience, fence, metrics), StoreTimes(read, written, bytes_per_listener)
    finally:
        worker.answering.engine.close()
        await worker.answering.releases.stop()
        await worker.answering.withdrawals.stop()
        await table.store.stop()


async def _fill(table: ListenerTable, audience: Audience, directory: Path) -> float:
    """Write all states, and close the store; return the bytes that a listener takes on the disk."""
    _open(table)
    for first in range(0, len(audience), _WRITTEN_AT_ONCE):
        table.store.write_batch(0, _items(audience, range(first, min(first + _WRITTEN_AT_ONCE, len(audience)))), first)
    await table.store.stop()
    return Disk(directory).taken_bytes() / len(audience)


def _open(table: ListenerTable) -> None:
    table.persisted_offset(TopicPartition(table.changelog_topic_name, 0))  # recovery begins with it


def _items(audience: Audience, numbers: Sequence[int]) -> list[Item]:
    return [(listener_key(audience.users[number]), audience.states[number]) for number in numbers]


def _time_store(table: ListenerTable, audience: Audience) -> tuple[Times, Times]:
    """Read and write states, each round others."""
    num = min(_STORE_KEYS, len(audience) // LEAST_ROUNDS)
    read, written = Times(num), Times(num)
    for first in range(0, len(audience) - num + 1, num)[:_STORE_ROUNDS]:
        items = _items(audience, range(first, first + num))
        with read.timed():
            table.store.multi_get(0, [key for key, _ in items])
        with written.timed():
            table.store.write_batch(0, items, first)
    return read, written
