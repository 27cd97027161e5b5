"""Negatives: tracks that a sampled softmax compares a target with, drawn by their popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK


@dataclass(frozen=True, slots=True)
class Popularity:
    """How often each of M tracks is drawn.

    Attributes:
        frequencies: float64 (M,), with a sum of 1.
        running: float64 (M,), their running sums: made once, so that a draw does not visit the catalogue.
    """

    frequencies: NDArray[np.float64]
    running: NDArray[np.float64]

    @classmethod
    def of(cls, track_counts: NDArray[np.int64], exponent: float) -> Popularity:
        """Draw tracks in proportion to their plays, int64 (M,), to a power."""
        weights = track_counts**exponent
        frequencies = weights / weights.sum()
        running = np.cumsum(frequencies)
        return cls(frequencies, running / running[-1])

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw rows of the catalogue with replacement: int64 (size,)."""
        drawn: NDArray[np.int64] = np.searchsorted(self.running, rng.random(size), side="right") + FIRST_TRACK
        return drawn

    def log_expected(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute the log of how often each row is expected among as many draws: float64, in their shape."""
        logs: NDArray[np.float64] = np.log(len(rows) * self.frequencies[rows - FIRST_TRACK])
        return logs
