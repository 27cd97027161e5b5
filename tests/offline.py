"""A worker without Kafka: the product's own path from records to writes, with dicts as its store and its topics."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import track_key
from models.plays.counts import CountMaps
from models.release import Release
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from streamer.kafka.transaction import Writes
from streamer.wire.changelog import MARK_KEY, NO_MARK, Mark
from streamer.wire.messages import Recommendation
from streamer.wire.recommendations import ListEncoder
from streamer.wire.state import NO_RELEASE, States, decode
from streamer.worker.batch import Batch, merge, plan
from streamer.worker.events import Listeners, join
from streamer.worker.intake import Intake, fresh_records, take_in
from streamer.worker.live_hits import HitWatch
from streamer.worker.narrowing import NOTHING, Narrowing
from streamer.worker.outputs import Answers, Outcome, Topics, write
from streamer.worker.saying import Saying
from streamer.worker.shelf import Champion
from tests.builders import tiny_release
from tests.listening import PARTITIONS, Fetched, batches
from tests.oracle import Who

TOPICS: Final = Topics("plays", ("short", "long"), "dead")
SIZES: Final = (5, 8)
EVERYTHING: Final = Saying(0.0, SIZES)
CHAMPION: Final = tiny_release(7)


_encoder = functools.lru_cache(ListEncoder)  # a worker creates one per release


def _compute(release: Release, step_input: StepInput) -> StepOutput:
    return step(release.recommender, step_input, sizes=SIZES)


def champion_of(release: Release, promoted_at_ms: int = 1) -> Champion:
    return Champion(release, promoted_at_ms, _encoder(release.catalogue.track_ids), frozenset([track_key("t0")]))


@dataclass
class Worker:
    """`Answering.answer_batch` without Kafka, RocksDB and the clock; its states survive a change of release."""

    release: Release | None = CHAMPION
    promoted_at_ms: int = 1
    answers_each: bool = True
    saying: Saying = EVERYTHING
    withdrawn: NDArray[np.uint64] = field(default_factory=lambda: NOTHING)
    compute: Callable[[Release, StepInput], StepOutput] = _compute
    hits: HitWatch | None = None
    store: Mapping[int, dict[bytes, bytes]] = field(default_factory=lambda: {number: {} for number in PARTITIONS})
    outputs: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = field(default_factory=dict)

    @property
    def num_hidden(self) -> int:
        return self.release.network.config.hidden_size if self.release else 0

    def mark(self, partition: int) -> Mark:
        value = self.store[partition].get(MARK_KEY)
        return NO_MARK if value is None else Mark.decode(value)

    def serve_all(self, records: Fetched, cuts: Sequence[tuple[int, int]] = ()) -> "Worker":
        for batch in batches(records, cuts):
            self.serve(batch)
        return self

    def serve(self, fetched: Fetched) -> None:
        if intakes := self.take_in(fetched):
            self.answer(intakes)

    def take_in(self, fetched: Fetched) -> list[Intake]:
        fresh = {number: fresh_records(records, self.mark(number)) for number, records in fetched.items() if records}
        return [take_in(partition, records, None) for partition, records in fresh.items() if records]

    def answer(self, intakes: Sequence[Intake]) -> Outcome:
        events, listeners = join([intake.plays for intake in intakes], [intake.offsets for intake in intakes])
        states = self._read_states(intakes, listeners)
        batch = plan(events, states, self.release.key if self.release else None)
        hidden, counts, answers = self._step(batch)
        key, promoted_at_ms = (self.release.key, self.promoted_at_ms) if self.release else (NO_RELEASE, NO_RELEASE)
        merged = merge(batch, hidden, counts, release_key=key, promoted_at_ms=promoted_at_ms)
        if answers is not None:
            merged = replace(merged, said=answers.said.remembered)
        outcome = Outcome(events, listeners, states.plays_seen[:-1] > 0, batch, merged, answers)
        for part in write(intakes, outcome, TOPICS):
            self._apply(part)
        if self.hits and self.release:
            self.hits.note(intakes, outcome, champion_of(self.release, self.promoted_at_ms))
        return outcome

    def _read_states(self, intakes: Sequence[Intake], listeners: Listeners) -> States:
        values: list[bytes | None] = []
        for intake, (first, last) in zip(intakes, pairwise(listeners.bounds.tolist()), strict=True):
            values += [self.store[intake.partition].get(key) for key in listeners.state_keys[first:last]]
        return decode([*values, None], self.num_hidden, self.saying.num_marks)

    def _step(self, batch: Batch) -> tuple[NDArray[np.float32], CountMaps, Answers | None]:
        if self.release is None or not len(batch):
            return batch.hidden, batch.count_plays(), None
        answered = np.arange(len(batch.new)) if self.answers_each else batch.last_plays
        step_input = StepInput(
            batch.hidden, batch.histories, batch.fold_from, batch.base.count_maps, batch.count_from, batch.new[answered]
        )
        output = self.compute(Narrowing().without(self.release, self.withdrawn), step_input)
        lists = _encoder(self.release.catalogue.track_ids)
        said = self.saying.choose(batch, answered, output.ranked, self.release.catalogue.keys, self.withdrawn)
        answers = Answers(answered, output.ranked, said, lists, self.release.release_id, emitted_at_ms=5)
        return output.hidden, output.counts, answers

    def _apply(self, part: Writes) -> None:
        for topic, records in part.outputs.items():
            self.outputs.setdefault((topic, part.partition), []).extend(
                (each.key, each.value) for each in records.to_list()
            )
        stored = self.store[part.partition]
        for key, value in [*zip(part.state_keys, part.states.to_list(), strict=True), (MARK_KEY, part.mark.encode())]:
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value

    def states(self) -> dict[Who, States]:
        """Each listener's state, on its own."""
        return {
            (partition, key[1:].decode()): decode([value], self.num_hidden, self.saying.num_marks)
            for partition, stored in self.store.items()
            for key, value in stored.items()
            if key != MARK_KEY
        }

    def answers(self, horizon: int) -> list[Recommendation]:
        """One horizon's answers, partition by partition, in the order they were written."""
        values = [
            value for number in PARTITIONS for _, value in self.outputs.get((TOPICS.answers[horizon], number), [])
        ]
        return [msgspec.json.decode(value, type=Recommendation) for value in values if value is not None]

    def dead_letters(self, partition: int) -> list[tuple[bytes | None, bytes | None]]:
        """Return the letters of a partition, without requests to remove those of forgotten listeners."""
        records = self.outputs.get((TOPICS.dead_letters, partition), [])
        return [record for record in records if not (record[0] or b"").startswith(b"forget:")]
