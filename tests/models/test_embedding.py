from __future__ import annotations

import numpy as np

from models.catalogue import FIRST_TRACK
from models.config import TrainingConfig
from models.embedding import item_vectors


def two_tastes(num_sessions: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Sessions of six plays from tracks 0-4 or from 5-9, never mixed."""
    rng = np.random.default_rng(0)
    tracks = rng.integers(0, 5, (num_sessions, 6)) + 5 * rng.integers(0, 2, (num_sessions, 1))
    return tracks.ravel() + FIRST_TRACK, np.repeat(np.arange(num_sessions), 6)


def test_tracks_played_together_point_the_same_way() -> None:
    rows, sessions = two_tastes()

    vectors = item_vectors(rows, sessions, 10, 8, TrainingConfig())

    cosines = vectors @ vectors.T
    assert cosines[:5, :5].mean() > cosines[:5, 5:].mean() + 0.3


def test_vectors_are_units_and_the_same_every_time() -> None:
    rows, sessions = two_tastes(20)

    once, again = (item_vectors(rows, sessions, 10, 8, TrainingConfig()) for _ in range(2))

    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1, rtol=1e-6)


def test_tracks_always_alone_still_get_a_vector() -> None:
    vectors = item_vectors(np.array([2, 3]), np.array([0, 1]), 2, 8, TrainingConfig())

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
