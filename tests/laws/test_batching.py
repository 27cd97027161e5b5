"""Law 2: batching is invisible."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import NUM_COUNTED, RING_SIZE
from models.plays.catalogue import track_key
from models.release import Release
from tests.agreement import (
    TOLERANCE,
    assert_list_is_the_oracles,
    assert_same_answers,
    assert_states_are_the_oracles,
    heard,
)
from tests.amount import examples
from tests.builders import (
    NOON_MS,
    play,
    state_fields,
)
from tests.counting import counted, counts_by_key
from tests.laws.cases import CHALLENGER, cuts, law
from tests.listening import Fetched, listening
from tests.offline import CHAMPION, SIZES, Worker
from tests.oracle import score_all


@law
@given(records=listening(), cuts=cuts)
def test_any_split_into_batches_gives_the_oracles_states_and_answers(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker().serve_all(records, cuts)

    assert_states_are_the_oracles(worker, heard(records))
    assert_same_answers(worker, Worker().serve_all(records))


@law
@given(records=listening(), cuts=cuts)
def test_the_last_lists_are_those_of_the_oracle(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    worker = Worker().serve_all(records, cuts)

    lives = heard(records).lives
    for horizon, size in enumerate(SIZES):
        last = {(each.source_partition, each.user_id): each for each in worker.answers(horizon)}
        for who, life in lives.items():
            assert last[who].plays_seen == len(life.plays)
            assert last[who].played_at == life.plays[-1].played_at_ms
            assert_list_is_the_oracles(last[who], score_all(CHAMPION, life)[horizon], size)


@pytest.mark.parametrize("cut", [(), ((1, 0),), ((64, 0),)])
@pytest.mark.parametrize("between", ["t1", "x0"])
@pytest.mark.parametrize("num_between", [RING_SIZE - 2, RING_SIZE - 1, RING_SIZE])
def test_the_ring_is_as_long_as_the_oracles(cut: Sequence[tuple[int, int]], between: str, num_between: int) -> None:
    # The second t0 is a repeat with a gap only if the ring still holds the first.
    plays = [
        play(at, "u0", track, NOON_MS + 7000 * at, context="none", skipped=False)
        for at, track in enumerate(["t0", *[between] * num_between, "t0"])
    ]
    records: Fetched = {0: plays, 1: []}

    worker, oracle = Worker().serve_all(records, cut), heard(records)

    assert_states_are_the_oracles(worker, oracle)
    for horizon, size in enumerate(SIZES):
        scores = score_all(CHAMPION, oracle.lives[0, "u0"])[horizon]
        assert_list_is_the_oracles(worker.answers(horizon)[-1], scores, size)


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(0, 99), cuts=cuts, second=st.sampled_from([CHAMPION, CHALLENGER, None]))
def test_counts_outlive_the_ring_whatever_the_batches_and_the_release(
    seed: int, cuts: Sequence[tuple[int, int]], second: Release | None
) -> None:
    # More tracks than a state can count, and more plays than the ring holds.
    numbers = np.random.default_rng(seed).integers(2 * NUM_COUNTED, size=3 * NUM_COUNTED)
    plays = [play(at, "u0", f"t{number}", context="none", skipped=False) for at, number in enumerate(numbers)]

    worker = Worker().serve_all({0: plays[:NUM_COUNTED], 1: []}, cuts)
    worker.release = second or worker.release
    worker.serve_all({0: plays[NUM_COUNTED:], 1: []}, cuts)

    state = worker.states()[0, "u0"]
    at_once = Worker(second).serve_all({0: plays, 1: []}).states()[0, "u0"]
    expected = counted(track_key(f"t{number}") for number in numbers)
    assert counts_by_key(state.counted_track_keys[0], state.counts[0]) == expected
    assert len(expected) == NUM_COUNTED
    assert state.counted_track_keys.tolist() == at_once.counted_track_keys.tolist()
    assert state.counts.tolist() == at_once.counts.tolist()


@law
@given(records=listening(), cuts=cuts)
def test_listeners_and_partitions_do_not_affect_each_other(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    together = Worker().serve_all(records, cuts)

    alone = Worker()
    for number, got in records.items():
        for key in sorted({each.key for each in got}):
            alone.store[number].pop(b"\x00", None)
            alone.serve({number: [each for each in got if each.key == key]})

    assert alone.states().keys() == together.states().keys()
    for who, state in together.states().items():
        mine, theirs = state_fields(alone.states()[who]), state_fields(state)
        np.testing.assert_allclose(mine.pop("hidden"), theirs.pop("hidden"), atol=TOLERANCE)
        assert mine == theirs
