"""The ledger finds every play that is missing and every one that counts twice."""

from collections.abc import Callable

import numpy as np
import pytest

from models.plays.catalogue import Catalogue
from models.plays.split import split_plays
from streamer.recordings.plays import RecordedPlays
from streamer.replay.collector import Collector
from streamer.replay.ledger import ReplayLedger, balance
from streamer.replay.recording import Recording

NUM_PLAYS = 600


@pytest.fixture
def recording(draw_listening: Callable[..., RecordedPlays]) -> Recording:
    listening = draw_listening(NUM_PLAYS)
    return Recording.of(listening, split_plays(listening.plays), 2)


@pytest.fixture
def collector(recording: Recording) -> Collector:
    """Every play is answered once."""
    collector = Collector(recording, np.array([0]), Catalogue(["a"]), (1, 1))
    collector.num_answers[:] = 1
    return collector


@pytest.fixture
def plays_seen(recording: Recording) -> np.ndarray:
    """Every play moved its listener's state once."""
    return np.bincount(recording.listeners)


def test_books_balance_when_each_play_counts_once(
    recording: Recording, collector: Collector, plays_seen: np.ndarray
) -> None:
    ledger = balance(recording, collector, plays_seen)

    assert ledger == ReplayLedger(plays=NUM_PLAYS, applied=NUM_PLAYS, lost=0, twice=0, dead_letters=0)


def test_a_play_lost_by_one_listener_does_not_offset_one_counted_twice_by_another(
    recording: Recording, collector: Collector, plays_seen: np.ndarray
) -> None:
    plays_seen[0] -= 1
    plays_seen[1] += 2

    ledger = balance(recording, collector, plays_seen)

    assert (ledger.applied, ledger.lost, ledger.twice) == (NUM_PLAYS + 1, 1, 2)


@pytest.mark.parametrize("horizon", [0, 1])
def test_missing_and_repeated_answers_count_for_either_horizon(
    recording: Recording, collector: Collector, plays_seen: np.ndarray, horizon: int
) -> None:
    collector.num_answers[horizon, [7, 8]] = 0
    collector.num_answers[horizon, 100] = 2

    ledger = balance(recording, collector, plays_seen)

    assert (ledger.applied, ledger.lost, ledger.twice) == (NUM_PLAYS, 2, 1)


def test_a_play_that_misses_both_state_and_answer_is_lost_once(
    recording: Recording, collector: Collector, plays_seen: np.ndarray
) -> None:
    collector.num_answers[:, 7] = 0
    plays_seen[recording.listeners[7]] -= 1

    assert balance(recording, collector, plays_seen).lost == 1


def test_a_rejected_play_is_neither_applied_nor_lost(
    recording: Recording, collector: Collector, plays_seen: np.ndarray
) -> None:
    collector.is_dead[7] = True
    collector.num_answers[:, 7] = 0
    plays_seen[recording.listeners[7]] -= 1

    ledger = balance(recording, collector, plays_seen)

    assert ledger == ReplayLedger(plays=NUM_PLAYS, applied=NUM_PLAYS - 1, lost=0, twice=0, dead_letters=1)
