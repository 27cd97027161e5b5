"""The life of a play, step by step: from the chunk it was fetched in to the transaction that answers it."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from models.plays.counts import CountMaps
from models.release import Release
from streamer.faust.table import ListenerTable
from streamer.kafka.chunk import Chunk
from streamer.kafka.fence import Fence
from streamer.kafka.fences import Fences
from streamer.metrics import WorkerMetrics
from streamer.wire.state import NO_RELEASE, States, decode
from streamer.worker.batch import Batch, merge, plan
from streamer.worker.batch_metrics import count_batch
from streamer.worker.batching import Drain, gather_chunks
from streamer.worker.bisection import answer_bisecting
from streamer.worker.champion import Releases
from streamer.worker.engine import Engine
from streamer.worker.events import Listeners, join
from streamer.worker.fresh_letters import FreshLetters
from streamer.worker.intake import Intake, fresh_records, take_in
from streamer.worker.latest import Latest
from streamer.worker.live_hits import HitWatch
from streamer.worker.outputs import NO_HEADERS, Answers, Outcome, Topics, write
from streamer.worker.pace import Pace
from streamer.worker.saying import Saying
from streamer.worker.shelf import Champion
from streamer.worker.withdrawals import Withdrawals

if TYPE_CHECKING:
    from streamer.worker.traces import BatchTrace, Traces  # what is in an extra


@dataclass(frozen=True, slots=True)
class Answering:
    """Turns plays into answers; built in app.py.

    Attributes:
        table: the states.
        fences: the transactional producers of the owned partitions.
        engine: computes the steps.
        releases: holds the champion.
        withdrawals: holds the tracks that no list may hold.
        metrics: of the worker.
        topics: the topics that answers go to.
        saying: which lists are published.
        pick_answered: the new plays of a batch to answer: each, or each listener's last.
        belongs_here: whether a key hashes to a partition; None skips the check.
        drain: closes to stop between two batches.
        max_plays: the most plays in a batch.
        letters: written a moment ago.
        hits: judges lists by the plays that follow.
        pace: says how long the first chunk of a batch waits for others.
        traces: tell what became of plays; None if nobody asks.
        latest: who played a moment ago.
    """

    table: ListenerTable
    fences: Fences
    engine: Engine
    releases: Releases
    withdrawals: Withdrawals
    metrics: WorkerMetrics
    topics: Topics
    saying: Saying
    pick_answered: Callable[[Batch], NDArray[np.int64]]
    belongs_here: Callable[[int, bytes], bool] | None
    drain: Drain
    max_plays: int
    pace: Pace
    letters: FreshLetters
    hits: HitWatch
    traces: "Traces | None" = None
    latest: Latest = field(default_factory=Latest)

    def release(self) -> Release | None:
        """Return the release that answers; None before the first."""
        return self.releases.champion.release if self.releases.champion else None

    def release_id(self) -> str | None:
        """Return its id."""
        return release.release_id if (release := self.release()) else None

    async def answer_plays(self, chunks: AsyncIterator[Chunk]) -> None:
        """Answer every play, one complete batch after the other."""
        batches = gather_chunks(chunks, max_plays=self.max_plays, pace=self.pace)
        async for batch in self.drain.guard(batches):
            await self.answer_batch(batch)
            for chunk in batch:
                await chunk.acknowledge()

    async def answer_batch(self, chunks: Sequence[Chunk]) -> None:
        """Process one batch of chunks; when this returns, its answers and states are on Kafka and on disk."""
        fences = dict(self.fences.held)  # bound here: a worker that takes them later fences this batch
        trace = self.traces.begin(chunks) if self.traces else None
        with self.metrics.timed("decode"):
            intakes = self._take_in(chunks)
        if intakes:
            answer = functools.partial(self._answer, fences, trace)
            await answer_bisecting(intakes, answer, self._check_device, self.metrics)

    async def _answer(self, fences: Mapping[int, Fence], trace: "BatchTrace | None", intakes: Sequence[Intake]) -> None:
        """Answer the plays of the intakes.

        Raises:
            StepError: the step failed; nothing was written.
        """
        followed = trace.follow(intakes, self.metrics.timed) if trace else None
        timed = followed.timed if followed else self.metrics.timed
        with timed("gather"):
            events, listeners = join([intake.plays for intake in intakes], [intake.offsets for intake in intakes])
            champion, states = await self._read_states(intakes, listeners)
        with timed("plan"):
            batch = plan(events, states, champion.release.key if champion else None)
        with timed("step"):
            hidden, counts, answers = await self._step(champion, batch)
        with timed("merge"):
            is_known = states.plays_seen[:-1] > 0
            outcome = Outcome(
                events, listeners, is_known, batch, _merge(champion, batch, hidden, counts, answers), answers
            )
            writes = list(write(intakes, outcome, self.topics, followed.headers if followed else NO_HEADERS))
        with timed("commit"):
            ends = await asyncio.gather(*(self.table.commit(fences[part.partition], part) for part in writes))
        self.latest.users = listeners.users
        if followed:
            followed.end(intakes)
        catalogue = champion.release.catalogue if champion else None
        count_batch(self.metrics, intakes, outcome, time.time() * 1000, catalogue)
        self.letters.note(intakes, writes, ends)
        if champion:
            self.hits.note(intakes, outcome, champion)

    def _take_in(self, chunks: Sequence[Chunk]) -> list[Intake]:
        """Decode what the progress marks do not cover; the chunks of a partition become one intake."""
        records: dict[int, list[ConsumerRecord[bytes, bytes]]] = {}
        for chunk in chunks:
            records.setdefault(chunk.partition, []).extend(chunk.records)
        intakes = []
        for partition, fetched in records.items():
            belongs_here = self.belongs_here and functools.partial(self.belongs_here, partition)
            fresh = fresh_records(fetched, self.table.mark(partition))
            self.metrics.duplicates.inc(len(fetched) - len(fresh))
            if fresh:
                intakes.append(take_in(partition, fresh, belongs_here))
        return intakes

    async def _read_states(self, intakes: Sequence[Intake], listeners: Listeners) -> tuple[Champion | None, States]:
        """Return the champion and L + 1 states, the last of them a new listener's.

        If a newer release made one of the states, wait for that release: rebuilding the state under an older one would
        be undone by the next worker that has the newer one.
        """
        records: list[bytes | None] = []
        for intake, (first, last) in zip(intakes, pairwise(listeners.bounds.tolist()), strict=True):
            records += self.table.store.multi_get(intake.partition, listeners.state_keys[first:last])
        records.append(None)
        champion = self.releases.champion
        states = decode(records, _num_hidden(champion), self.saying.num_marks)
        newest_ms = int(states.promoted_at_ms.max())
        if newest_ms > (champion.promoted_at_ms if champion else NO_RELEASE):
            champion = await self.releases.wait_for(newest_ms)
            states = decode(records, _num_hidden(champion), self.saying.num_marks)
        return champion, states

    async def _step(
        self, champion: Champion | None, batch: Batch
    ) -> tuple[NDArray[np.float32], CountMaps, Answers | None]:
        """Return the R hidden states, the counts and the lists; before the first release, plays are only counted."""
        if champion is None or not len(batch):
            return batch.hidden, batch.count_plays(), None
        answered, withdrawn = self.pick_answered(batch), self.withdrawals.keys
        cpu_s = self.engine.cpu_s
        output = await self.engine.step(champion.release, batch, answered, withdrawn)
        self.metrics.step_cpu.inc(self.engine.cpu_s - cpu_s)
        said = self.saying.choose(batch, answered, output.ranked, champion.release.catalogue.keys, withdrawn)
        key, now_ms = champion.release.release_id, int(time.time() * 1000)
        return output.hidden, output.counts, Answers(answered, output.ranked, said, champion.lists, key, now_ms)

    async def _check_device(self) -> None:
        """End the process unless the device still computes; a step has failed, so there is a champion."""
        assert self.releases.champion is not None
        await self.engine.check(self.releases.champion.release, self.withdrawals.keys)


def _num_hidden(champion: Champion | None) -> int:
    return champion.release.network.config.hidden_size if champion else 0


def _merge(
    champion: Champion | None, batch: Batch, hidden: NDArray[np.float32], counts: CountMaps, answers: Answers | None
) -> States:
    if champion is None:
        return merge(batch, hidden, counts, release_key=NO_RELEASE, promoted_at_ms=NO_RELEASE)
    states = merge(batch, hidden, counts, release_key=champion.release.key, promoted_at_ms=champion.promoted_at_ms)
    return replace(states, said=answers.said.remembered) if answers else states
