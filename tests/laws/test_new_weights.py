"""Law 4: new weights never reset a listener."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.plays.histories import Histories
from models.release import Release
from models.serving.step import step
from models.serving.step_input import StepInput
from tests.agreement import (
    TOLERANCE,
    assert_state_is_the_oracles,
    assert_states_are_the_oracles,
    heard,
)
from tests.builders import (
    record,
)
from tests.laws.cases import CHALLENGER, OF_ARCHITECTURES, REFIT, cuts, law, whole_history
from tests.listening import Fetched, Records, listening
from tests.offline import CHAMPION, SIZES, Worker
from tests.oracle import Life


@law
@given(
    before=listening(),
    after=listening(),
    cuts=cuts,
    releases=st.sampled_from([(CHAMPION, CHALLENGER), (CHAMPION, REFIT), (None, CHAMPION)]),
)
def test_a_new_release_rebuilds_the_state_of_each_listener_who_plays(
    before: Fetched, after: Fetched, cuts: Sequence[tuple[int, int]], releases: tuple[Release | None, Release]
) -> None:
    first, second = releases
    later = behind(before, after)
    worker = Worker(first).serve_all(before, cuts)
    oracle = heard(before, first)

    worker.release, worker.promoted_at_ms = second, 2
    worker.serve_all(later, cuts)
    oracle.hear_all(chain.from_iterable(later.values()), second)

    states = worker.states()
    assert states.keys() == oracle.lives.keys()
    for who, life in oracle.lives.items():
        if life.release is second:
            assert_state_is_the_oracles(states[who], life)
            np.testing.assert_allclose(states[who].hidden, fold_newest(second, life), atol=TOLERANCE)


@law
@given(before=listening(), after=listening(), releases=st.permutations(OF_ARCHITECTURES))
def test_a_release_of_another_kind_rebuilds_the_state_of_each_listener_who_plays(
    before: Fetched, after: Fetched, releases: Sequence[Release]
) -> None:
    first, second, *_ = releases
    later = behind(before, after)
    worker = Worker(first).serve_all(before)

    worker.release, worker.promoted_at_ms = second, 2
    worker.serve_all(later)

    oracle = heard(before).hear_all(chain.from_iterable(later.values()), REFIT)  # all kinds count plays alike
    for who, life in oracle.lives.items():
        state = worker.states()[who]
        assert state.plays_folded == life.plays_folded
        if life.release is REFIT:
            assert state.release_key == second.key
            np.testing.assert_allclose(state.hidden, fold_newest(second, life), atol=TOLERANCE)


@law
@given(before=listening(), after=listening(), first=st.sampled_from([CHAMPION, None]))
def test_a_listener_who_does_not_play_under_a_new_release_keeps_every_byte(
    before: Fetched, after: Fetched, first: Release | None
) -> None:
    later = behind(before, after)
    worker = Worker(first).serve_all(before)
    stores = {number: dict(stored) for number, stored in worker.store.items()}

    worker.release, worker.promoted_at_ms = CHALLENGER, 2
    worker.serve_all(later)

    for number, stored in stores.items():
        silent = stored.keys() - {b"\x01" + (each.key or b"") for each in later[number]} - {b"\x00"}
        assert {key: worker.store[number].get(key) for key in silent} == {key: stored[key] for key in silent}


@law
@given(records=listening(), cuts=cuts)
def test_before_the_first_release_plays_are_remembered_and_nothing_is_answered(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker(release=None).serve_all(records, cuts)

    assert_states_are_the_oracles(worker, heard(records, None))
    assert worker.answers(0) == worker.answers(1) == []


def behind(before: Fetched, after: Fetched) -> dict[int, Records]:
    """Move `after` to offsets behind those of `before`."""
    start = 1 + max(each.offset for got in before.values() for each in got)
    return {
        number: [record(start + each.offset, each.key, each.value, partition=number) for each in got]
        for number, got in after.items()
    }


def fold_newest(release: Release, life: Life) -> np.ndarray:
    """Fold the last `plays_folded` plays of the whole history, with the repeats noted when they arrived."""
    history, folded = whole_history(life), life.plays_folded
    newest = Histories(
        np.array([0, folded]), history.track_keys[-folded:], history.played_at_ms[-folded:],
        history.contexts[-folded:], history.repeats[-folded:],
    )  # fmt: skip
    num_hidden = release.network.config.hidden_size
    step_input = StepInput.from_nothing(newest, np.empty(0, np.int64), num_hidden=num_hidden)
    return step(release.recommender, step_input, sizes=SIZES).hidden
