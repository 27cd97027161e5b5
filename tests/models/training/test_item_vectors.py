from __future__ import annotations

import numpy as np
import pytest

from models.config import TrainingConfig
from models.plays.catalogue import FIRST_TRACK
from models.training.item_vectors import item_vectors, vectors_of_neighbours


def two_tastes(num_sessions: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Sessions of six plays from tracks 0-4 or from 5-9, never mixed."""
    rng = np.random.default_rng(0)
    tracks = rng.integers(0, 5, (num_sessions, 6)) + 5 * rng.integers(0, 2, (num_sessions, 1))
    return tracks.ravel() + FIRST_TRACK, np.repeat(np.arange(num_sessions), 6)


def test_tracks_played_together_point_the_same_way() -> None:
    rows, sessions = two_tastes()

    vectors = item_vectors([(rows, sessions)], 10, 8, TrainingConfig())

    cosines = vectors @ vectors.T
    assert cosines[:5, :5].mean() > cosines[:5, 5:].mean() + 0.3


def test_vectors_are_units_and_the_same_every_time() -> None:
    rows, sessions = two_tastes(20)

    once, again = (item_vectors([(rows, sessions)], 10, 8, TrainingConfig()) for _ in range(2))

    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1, rtol=1e-6)


def test_tracks_always_alone_still_get_a_vector() -> None:
    vectors = item_vectors([(np.array([2, 3]), np.array([0, 1]))], 2, 8, TrainingConfig())

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_a_track_without_a_vector_gets_the_mean_direction_of_its_neighbours() -> None:
    vectors = np.array([[2, 0], [0, 2], [9, 9]], np.float32)

    filled = vectors_of_neighbours(
        vectors, np.array([True, True, False]), [(np.array([2, 4, 2, 3]), np.zeros(4, np.int64))], TrainingConfig()
    )

    np.testing.assert_array_equal(filled[:2], vectors[:2])
    np.testing.assert_allclose(filled[2], 2 * np.array([2, 1]) / np.sqrt(5), rtol=1e-6)  # beside the first twice


def test_neighbours_are_in_one_session_and_within_the_window() -> None:
    vectors, has_vector = np.eye(3, dtype=np.float32), np.array([True, True, False])
    rows, config = np.array([2, 4, 3]), TrainingConfig(item_window=1)

    other_session = vectors_of_neighbours(vectors, has_vector, [(rows, np.array([0, 0, 1]))], config)
    too_far = vectors_of_neighbours(
        vectors, has_vector, [(np.array([2, 4, 4, 3, 3]), np.array([0, 0, 0, 0, 1]))], config
    )

    np.testing.assert_allclose(other_session[2], [1, 0, 0])
    np.testing.assert_allclose(too_far[2], np.array([1, 1, 0]) / np.sqrt(2), rtol=1e-6)


def test_a_track_without_neighbours_gets_a_random_direction() -> None:
    rows, sessions = np.array([2, 3]), np.array([0, 1])
    vectors = np.eye(2, dtype=np.float32) * 3

    once, again = (
        vectors_of_neighbours(vectors, np.array([True, False]), [(rows, sessions)], TrainingConfig()) for _ in range(2)
    )

    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(np.linalg.norm(once[1]), 3, rtol=1e-6)


def test_learning_ends_after_the_pass_whose_callback_raises() -> None:
    rows, sessions = two_tastes(20)
    passes: list[int] = []

    def stop_after_the_second() -> None:
        passes.append(1)
        if len(passes) == 2:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        item_vectors([(rows, sessions)], 10, 8, TrainingConfig(), after_pass=stop_after_the_second)
    assert len(passes) == 2


def test_streams_in_several_shards_teach_what_they_teach_in_one() -> None:
    rows, sessions = two_tastes(20)
    halves = [(rows[:60], sessions[:60]), (rows[60:], sessions[60:])]
    vectors, has_vector = np.eye(10, dtype=np.float32), np.arange(10) < 5

    np.testing.assert_array_equal(
        item_vectors(halves, 10, 8, TrainingConfig()), item_vectors([(rows, sessions)], 10, 8, TrainingConfig())
    )
    np.testing.assert_allclose(
        vectors_of_neighbours(vectors, has_vector, halves, TrainingConfig()),
        vectors_of_neighbours(vectors, has_vector, [(rows, sessions)], TrainingConfig()),
    )
