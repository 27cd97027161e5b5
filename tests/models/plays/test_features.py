from __future__ import annotations

import numpy as np

from models.config import CONTEXTS, RING_SIZE, NetworkConfig
from models.plays.catalogue import Catalogue, track_keys
from models.plays.features import DAY_MS, KnownPlays, known_plays, play_features
from models.plays.histories import gather_histories

CATALOGUE = Catalogue(["a", "b"])


def known_of(tracks: str, times_ms: list[int], contexts: list[int] | None = None) -> KnownPlays:
    codes = None if contexts is None else np.array(contexts, np.uint8)
    histories = gather_histories(np.zeros(len(tracks), np.int64), track_keys(list(tracks)), np.array(times_ms), codes)
    return known_plays(histories, CATALOGUE, NetworkConfig())


def test_gaps_are_measured_between_known_plays() -> None:
    known = known_of("axb", [0, 1_000, 60_000])

    assert known.indices.tolist() == [0, 2]
    assert known.gaps_ms.tolist() == [0, 60_000]
    assert known.starts.tolist() == [True, False]


def test_a_play_that_left_the_ring_is_forgotten() -> None:
    near = known_of("a" + "x" * (RING_SIZE - 1) + "b", [0] * RING_SIZE + [1_000])
    far = known_of("a" + "x" * RING_SIZE + "b", [0] * (RING_SIZE + 1) + [1_000])

    assert near.gaps_ms.tolist() == [0, 1_000]
    assert near.starts.tolist() == [True, False]
    assert far.gaps_ms.tolist() == [0, 0]
    assert far.starts.tolist() == [True, True]


def test_a_late_play_has_no_gap_and_starts_no_session() -> None:
    known = known_of("aba", [10 * DAY_MS, 9 * DAY_MS, 9 * DAY_MS + 1])

    assert known.gaps_ms.tolist() == [0, 0, 1]
    assert known.starts.tolist() == [True, False, False]


def test_a_session_starts_only_after_more_than_its_gap() -> None:
    known = known_of("aba", [0, 1_800_000, 3_600_001])

    assert known.starts.tolist() == [True, False, True]


def test_features_are_gap_start_day_repeat_and_context() -> None:
    known = known_of("ab a".replace(" ", ""), [0, 2 * DAY_MS, 2 * DAY_MS + 60_000], [5, 0, 250])

    features = play_features(known, np.arange(3), NetworkConfig(contexts=("playlist", "other")))

    np.testing.assert_allclose(features[:, 0], np.log1p([0, 172_800, 60]) / 8, rtol=1e-6)
    assert features[:, 1:4].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert CONTEXTS[5] == "playlist"
    assert features[:, 4:].tolist() == [[1, 0], [0, 1], [0, 1]]


def test_a_context_without_an_input_sets_none() -> None:
    known = known_of("a", [0], [5])

    assert not play_features(known, np.arange(1), NetworkConfig(contexts=("album",)))[:, 4:].any()


def test_the_last_listener_may_have_no_known_play() -> None:
    histories = gather_histories(np.array([0, 1]), track_keys(["a", "x"]), np.array([0, 1]))

    known = known_plays(histories, CATALOGUE, NetworkConfig())

    assert known.bounds.tolist() == [0, 1, 1]
