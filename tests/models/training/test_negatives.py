"""Negatives come as often as their popularity says, whatever the size of the catalogue."""

import numpy as np
import pytest

from models.plays.catalogue import FIRST_TRACK
from models.training.negatives import Popularity


def test_tracks_are_drawn_as_often_as_expected() -> None:
    popularity = Popularity.of(np.array([0, 1, 16, 0, 81, 0]), 0.5)
    size = 40_000

    drawn = popularity.draw(size, np.random.default_rng(1))

    counts = np.bincount(drawn - FIRST_TRACK, minlength=6)
    assert counts[[0, 3, 5]].tolist() == [0, 0, 0]
    assert popularity.frequencies.sum() == pytest.approx(1)
    rows = np.array([1, 2, 4]) + FIRST_TRACK
    expected = popularity.log_expected(rows) + np.log(size / len(rows))  # of as many draws as rows
    assert np.log(counts[[1, 2, 4]]) == pytest.approx(expected, abs=0.05)


def test_the_highest_chance_draws_a_track_that_was_played() -> None:
    class Highest(np.random.Generator):
        def random(self, size: int) -> np.ndarray:  # type: ignore[override]
            return np.full(size, np.nextafter(1.0, 0.0))

    popularity = Popularity.of(np.array([3, 1, 0, 0]), 0.5)

    assert (popularity.draw(5, Highest(np.random.PCG64(1))) == 1 + FIRST_TRACK).all()
