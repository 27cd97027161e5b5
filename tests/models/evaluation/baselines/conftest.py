"""Small splits for the baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.plays.split import Plays, Split, split_plays


def split_of(listeners: Sequence[str], *, later: Sequence[str], num_in_session: int = 100) -> Split:
    """Letters are tracks; those in `later` are played in the test part, a day after the others."""
    columns: list[tuple[int, str, int]] = []
    for listener, (before, after) in enumerate(zip(listeners, later, strict=True)):
        times_ms = [60_000 * play + 3_600_000 * (play // num_in_session) for play in range(len(before))]
        columns += [(listener, letter, time_ms) for letter, time_ms in zip(before, times_ms, strict=True)]
        columns += [(listener, letter, 86_400_000 + 60_000 * play) for play, letter in enumerate(after)]
    letters = sorted({letter for _, letter, _ in columns})
    numbers, tracks, times = zip(*columns, strict=True)
    plays = Plays(np.array(numbers), np.array([letters.index(track) for track in tracks]), letters, np.array(times))
    return split_plays(plays, t1_ms=80_000_000, t2_ms=80_000_000)


def names(split: Split, rows: np.ndarray) -> str:
    """Write a list as letters."""
    return "".join(split.catalogue.track_ids[row - 2] for row in rows if row)


@pytest.fixture(scope="package")
def split() -> Split:
    """Twenty listeners of 25 tracks, with sessions of different lengths, repeats and a validation part."""
    rng = np.random.default_rng(5)
    gaps_s = rng.choice([30, 30_000], 1500, p=[0.99, 0.01])
    plays = Plays(
        rng.integers(0, 20, 1500),
        rng.zipf(1.4, 1500) % 25,
        [f"t{number}" for number in range(25)],
        1_400_000_000_000 + np.cumsum(gaps_s) * 1000,
    )
    return split_plays(plays)
