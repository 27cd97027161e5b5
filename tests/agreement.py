"""Assertions that the worker and the oracle agree: exactly, except for float32 sums in a different order."""

from collections.abc import Mapping
from itertools import chain
from typing import Final

import numpy as np

from models.config import CONTEXTS, HORIZONS, RING_SIZE
from models.plays.catalogue import track_key
from models.release import Release
from streamer.wire.messages import Recommendation
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, NO_RELEASE, States
from tests.builders import state_fields
from tests.counting import counted, counts_by_key
from tests.listening import Fetched
from tests.offline import CHAMPION, Worker
from tests.oracle import Life, Oracle

#: float32 against the oracle's float64, over the hundreds of plays of an example.
TOLERANCE: Final = 1e-5

#: A score is a cosine times the temperature of the release, and is written with four decimals.
SCORE_TOLERANCE: Final = 1e-3


def heard(records: Fetched, release: Release | None = CHAMPION) -> Oracle:
    return Oracle().hear_all(chain.from_iterable(records.values()), release)


def assert_states_are_the_oracles(worker: Worker, oracle: Oracle) -> None:
    states = worker.states()
    assert states.keys() == oracle.lives.keys()
    for who, life in oracle.lives.items():
        assert_state_is_the_oracles(states[who], life)


def assert_state_is_the_oracles(state: States, life: Life) -> None:
    """Compare a state exactly, except for the hidden units."""
    values = {name: rows[0] for name, rows in state_fields(state).items()}
    hidden, _, _ = values.pop("hidden"), values.pop("promoted_at_ms"), values.pop("said")
    counts = counts_by_key(np.array(values.pop("counted_track_keys"), np.uint64), np.array(values.pop("counts")))
    assert counts == counted(track_key(each.track) for each in life.plays)
    free = [0] * (RING_SIZE - len(life.ring))
    assert values == {
        "release_key": life.release.key if life.release else NO_RELEASE,
        "plays_folded": life.plays_folded,
        "plays_seen": len(life.plays),
        "repeats_seen": sum(each.repeats for each in life.plays),
        "source_offset": life.plays[-1].offset,
        "played_at_ms": life.plays[-1].played_at_ms,
        "ring_track_keys": [track_key(each.track) for each in life.ring] + free,
        "ring_played_at_ms": [each.played_at_ms for each in life.ring] + free,
        "ring_contexts": [CONTEXTS.index(each.context) for each in life.ring] + free,
        "ring_bits": [BIT_SKIPPED * each.is_skipped + BIT_REPEATS * each.repeats for each in life.ring] + free,
    }
    np.testing.assert_allclose(hidden, [] if life.hidden is None else life.hidden, atol=TOLERANCE)


def assert_list_is_the_oracles(answer: Recommendation, scores: Mapping[str, float], size: int) -> None:
    """Compare a list; two tracks whose scores differ by less than the tolerance may come in either order."""
    assert len(answer.tracks) == min(size, len(scores)) == len({track.track_id for track in answer.tracks})
    answered = [track.score for track in answer.tracks]
    np.testing.assert_allclose(answered, [scores[track.track_id] for track in answer.tracks], atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(answered, sorted(scores.values(), reverse=True)[: len(answered)], atol=SCORE_TOLERANCE)


def assert_same_answers(some: Worker, others: Worker) -> None:
    for horizon in range(len(HORIZONS)):
        for one, other in zip(some.answers(horizon), others.answers(horizon), strict=True):
            assert identity(one) == identity(other)
            assert (one.plays_seen, one.played_at, one.release) == (other.plays_seen, other.played_at, other.release)
            scores, other_scores = ([track.score for track in answer.tracks] for answer in (one, other))
            np.testing.assert_allclose(scores, other_scores, atol=SCORE_TOLERANCE)


def identity(answer: Recommendation) -> tuple[str, str, int, int]:
    return answer.user_id, answer.horizon, answer.source_partition, answer.source_offset
