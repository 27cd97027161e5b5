"""A failing batch, answered by the product's own path and a real, sabotaged engine."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.metrics import WorkerMetrics
from streamer.wire.changelog import Mark, listener_key
from streamer.wire.messages import Cause
from streamer.worker.bisection import answer_bisecting, halve
from streamer.worker.intake import Intake, take_in
from tests.agreement import assert_same_answers, assert_states_are_the_oracles, heard
from tests.amount import examples
from tests.builders import NOON_MS, play, random_states, record, records_of, tiny_release, tombstone
from tests.listening import PARTITIONS, Fetched, batches, cuts, listening
from tests.offline import CHAMPION, Worker
from tests.poison import (
    Sabotage,
    SabotagedEngine,
    broken,
    in_turn,
    no_score_of,
    no_state_of,
    out_of_memory_above,
    raises_over,
    sound,
)

law = settings(max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.data_too_large])


@dataclass
class Trial:
    """A worker whose engine is sabotaged, and the outcome of its batches."""

    sabotage: Sabotage
    worker: Worker = field(default_factory=Worker)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    rejects: list[tuple[int, Cause, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = SabotagedEngine(self.sabotage)
        self.worker.compute = lambda *step: self.engine._thread.submit(self.engine._attempt, *step).result()

    def serve_all(self, records: Fetched, cut: Sequence[tuple[int, int]] = ()) -> "Trial":
        asyncio.run(self._serve_all(records, cut))
        self.engine.close()
        return self

    async def _serve_all(self, records: Fetched, cut: Sequence[tuple[int, int]]) -> None:
        check_device = functools.partial(self.engine.check, CHAMPION)
        for batch in batches({number: records.get(number, []) for number in PARTITIONS}, cut):
            if intakes := self.worker.take_in(batch):
                await answer_bisecting(intakes, self._answer, check_device, self.metrics)

    async def _answer(self, intakes: Sequence[Intake]) -> None:
        self.worker.answer(intakes)
        for intake in intakes:
            self.rejects += [(intake.records[each.index].offset, each.cause, each.reason) for each in intake.rejects]

    @property
    def rejected_offsets(self) -> list[int]:
        """Source offsets of the dead letters."""
        return [offset for offset, *_ in self.rejects]

    @property
    def num_failures(self) -> float | None:
        return self.metrics.registry.get_sample_value("refrain_step_failures_total")


def without(records: Fetched, track: str) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    return {number: [each for each in partition if not plays(each, track)] for number, partition in records.items()}


def plays(each: ConsumerRecord[bytes, bytes], track: str) -> bool:
    return each.value is not None and b'"track_id":"%b"' % track.encode() in each.value


@law
@given(
    records=listening(),
    cut=cuts,
    make=st.sampled_from([raises_over, no_state_of, no_score_of]),
    track=st.sampled_from(["t0", "t2", "x0"]),
)
def test_all_other_plays_have_the_results_they_would_have_alone(
    records: Fetched, cut: Sequence[tuple[int, int]], make: Callable[..., Sabotage], track: str
) -> None:
    trial = Trial(make(track)).serve_all(records, cut)

    good = without(records, track)
    assert_states_are_the_oracles(trial.worker, heard(good))
    assert_same_answers(trial.worker, Worker().serve_all(good))
    for number, partition in records.items():
        assert len(trial.worker.dead_letters(number)) == len(partition) - len(good[number])
        assert trial.worker.mark(number).offset == (partition[-1].offset if partition else -1)


@pytest.mark.long
@law
@given(records=listening(), cut=cuts)
def test_a_worker_that_answers_the_latest_rejects_the_same_plays(
    records: Fetched, cut: Sequence[tuple[int, int]]
) -> None:
    trial = Trial(raises_over("t1"), Worker(answers_each=False)).serve_all(records, cut)

    assert_states_are_the_oracles(trial.worker, heard(without(records, "t1")))
    expected = [each.offset for partition in records.values() for each in partition if plays(each, "t1")]
    assert sorted(trial.rejected_offsets) == sorted(expected)


@pytest.mark.long
@law
@given(records=listening(), num_plays=st.sampled_from([3, 40]))
def test_a_batch_too_large_for_the_memory_is_answered_in_parts_and_no_play_is_rejected(
    records: Fetched, num_plays: int
) -> None:
    trial = Trial(out_of_memory_above(num_plays)).serve_all(records)

    assert_states_are_the_oracles(trial.worker, heard(records))
    assert_same_answers(trial.worker, Worker().serve_all(records))
    assert trial.rejects == []


def test_a_state_is_as_if_the_uncomputable_plays_had_not_been_played() -> None:
    tracks = ["t1", "t5", "t2", "t5", "t5", "t1", "t3"]
    records = {0: [play(at, "u0", track, context="none", skipped=False) for at, track in enumerate(tracks)]}

    trial = Trial(raises_over("t5")).serve_all(records)

    assert trial.rejected_offsets == [1, 3, 4]
    state = trial.worker.states()[0, "u0"]
    assert (state.plays_seen[0], state.repeats_seen[0], state.source_offset[0]) == (4, 1, 6)
    assert [each.plays_seen for each in trial.worker.answers(0)] == [1, 2, 3, 4]


def test_a_dead_letter_says_how_the_step_failed_and_names_no_listener() -> None:
    trial = Trial(no_state_of("t5")).serve_all({0: [play(4, "secret", "t1"), play(6, "secret", "t5")]})

    ((offset, cause, reason),) = trial.rejects
    assert (offset, cause) == (6, "uncomputable")
    assert reason.startswith("release release-7 failed with FloatingPointError; the device computed another play")
    assert "secret" not in reason


def test_a_listener_whose_plays_are_all_rejected_keeps_their_state() -> None:
    worker = Worker().serve_all({0: [play(1, "u0", "t1")], 1: []})
    before = dict(worker.store[0])

    Trial(raises_over("t5"), worker).serve_all({0: [play(2, "u0", "t5"), play(3, "u1", "t2")]})

    assert worker.store[0][listener_key(b"u0")] == before[listener_key(b"u0")]
    assert worker.mark(0) == Mark(3, NOON_MS)


def test_bad_plays_and_tombstones_around_an_uncomputable_play_are_processed_as_usual() -> None:
    records = {
        0: [play(1, "u0", "t1"), record(2, b"u0", b"{"), tombstone(3, "u0"), play(4, "u0", "t5"), record(5, None, b"")],
        1: [record(1, b"u0", b"{"), play(2, "u1", "t5", partition=1), play(3, "u1", "t2", partition=1)],
    }

    trial = Trial(raises_over("t5")).serve_all(records)

    causes = [(offset, str(cause)) for offset, cause, _ in trial.rejects]
    assert causes == [
        (2, "not-json"), (4, "uncomputable"), (5, "null-key"),
        (1, "not-json"), (2, "uncomputable"),
    ]  # fmt: skip
    assert list(trial.worker.states()) == [(1, "u1")]


def test_one_uncomputable_play_among_many_is_found_in_few_steps() -> None:
    records = {0: [play(at, f"u{at % 50}", "t5" if at == 700 else "t1") for at in range(1024)]}

    trial = Trial(raises_over("t5")).serve_all(records)

    assert trial.rejected_offsets == [700]
    assert trial.num_failures == 10 + 2  # each half that contains it, then twice alone
    assert trial.engine.num_steps == 10 + 2 + 10 + 1  # the other halves, and the known good play


@pytest.mark.usefixtures("crashes")
def test_a_device_that_fails_every_step_ends_the_process_before_a_play_is_rejected() -> None:
    trial = Trial(broken)

    with pytest.raises(SystemExit, match="not even a known good play can be computed; check the device"):
        trial.serve_all({0: [play(at, "u0", "t1") for at in range(1024)]})

    assert trial.engine.num_steps == 11 + 3
    assert (trial.worker.store[0], trial.worker.outputs) == ({}, {})


@pytest.mark.usefixtures("crashes")
def test_a_device_that_dies_on_the_way_ends_the_process_and_the_mark_stays_before_the_rest() -> None:
    trial = Trial(in_turn(*[raises_over("t5")] * 30, broken))

    with pytest.raises(SystemExit, match="check the device"):
        trial.serve_all({0: [play(at, "u0", "t5" if at % 8 == 3 else "t1") for at in range(256)]})

    assert trial.rejected_offsets == [3, 11]
    assert 11 <= trial.worker.mark(0).offset < 19


def test_a_play_that_fails_once_is_answered() -> None:
    trial = Trial(in_turn(broken, sound)).serve_all({0: [play(1, "u0", "t1")]})

    assert trial.rejected_offsets == []
    assert trial.num_failures == 1
    assert len(trial.worker.answers(0)) == 1


def test_a_remembered_play_that_a_release_cannot_fold_costs_only_that_listeners_new_plays() -> None:
    remembered = {0: [play(1, "u0", "t5"), play(2, "u1", "t1")], 1: []}
    worker = Worker(tiny_release(8)).serve_all(remembered)
    before = worker.store[0][listener_key(b"u0")]

    worker.release, worker.promoted_at_ms = CHAMPION, 2
    trial = Trial(raises_over("t5"), worker)
    trial.serve_all({0: [play(3, "u0", "t1"), play(4, "u1", "t2"), play(5, "u0", "t2"), play(6, "u2", "t3")]})

    assert trial.rejected_offsets == [3, 5]
    assert worker.store[0][listener_key(b"u0")] == before
    assert worker.states()[0, "u1"].release_key == CHAMPION.key


def test_a_stored_state_with_a_nan_costs_only_that_listeners_new_plays() -> None:
    state = random_states([70], release_key=CHAMPION.key)
    state.hidden[0, 2] = np.nan
    worker = Worker()
    worker.store[0][listener_key(b"u0")] = records_of(state)[0]

    trial = Trial(sound, worker).serve_all({0: [play(900, "u1", "t1"), play(901, "u0", "t1"), play(902, "u0", "t2")]})

    assert trial.rejected_offsets == [901, 902]
    assert worker.states()[0, "u1"].plays_seen == 1


@pytest.mark.parametrize(
    ("nums", "first", "second"),
    [
        ([2], {0: [0]}, {0: [1]}),
        ([5], {0: [0, 1]}, {0: [2, 3, 4]}),
        ([1, 1], {0: [0]}, {1: [0]}),
        ([1, 4], {0: [0], 1: [0]}, {1: [1, 2, 3]}),
        ([3, 1, 1], {0: [0, 1]}, {0: [2], 1: [0], 2: [0]}),
    ],
)
def test_a_batch_is_halved_by_its_records_in_the_order_of_their_partitions(
    nums: list[int], first: dict[int, list[int]], second: dict[int, list[int]]
) -> None:
    intakes = [
        take_in(number, [play(at, "u", "t1", partition=number) for at in range(num)], None)
        for number, num in enumerate(nums)
    ]

    halves = halve(intakes)

    assert [{each.partition: each.offsets.tolist() for each in half} for half in halves] == [first, second]
