"""The featuriser: what the network reads of each play; one code path for serving, training and evaluation.

Law: serving is training. Plays of tracks that a catalogue does not know are dropped here and nowhere else, so neither
the recurrence, nor the gaps, nor the ring terms ever see them; they only take up places in the ring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.config import CONTEXTS, RING_SIZE, ArchitectureConfig
from models.plays.catalogue import UNKNOWN, Catalogue
from models.plays.histories import Histories

DAY_MS: Final = 86_400_000

GAP: Final = 0
"""Index of the feature that holds the time since the previous play."""

CONTEXT: Final = 4
"""Index of the first context feature; before it come gap, session start, gap above a day, and repeat."""


@dataclass(frozen=True, slots=True)
class KnownPlays:
    """The K of P plays whose tracks a catalogue knows, oldest first within each of B listeners.

    Attributes:
        bounds: int64 (B + 1,), into the K plays.
        indices: int64 (K,), rising: the index of each play among the P.
        rows: int64 (K,), catalogue rows.
        played_at_ms: int64 (K,).
        gaps_ms: int64 (K,), since the listener's previous known play; 0 if the ring no longer held one, or if the play
            is late, that is, older than the previous one.
        sessions: int64 (K,), session numbers, rising.
        starts: bool (K,), the play starts a session: the ring holds no known play, or the gap is longer than
            `session_gap_s`.
        contexts: uint8 (K,).
        repeats: bool (K,).
    """

    bounds: NDArray[np.int64]
    indices: NDArray[np.int64]
    rows: NDArray[np.int64]
    played_at_ms: NDArray[np.int64]
    gaps_ms: NDArray[np.int64]
    sessions: NDArray[np.int64]
    starts: NDArray[np.bool_]
    contexts: NDArray[np.uint8]
    repeats: NDArray[np.bool_]


def num_features(config: ArchitectureConfig) -> int:
    """Return the number of features of a play, F."""
    return CONTEXT + len(config.contexts)


def known_plays(histories: Histories, catalogue: Catalogue, config: ArchitectureConfig) -> KnownPlays:
    """Drop the tracks that the catalogue does not know; derive gaps and sessions from the rest.

    Two listeners; x is unknown:

        histories    a  x  b | x  b  a        P = 6, bounds 0 3 6
        indices      0     2      4  5        K = 4, bounds 0 2 4
        rows         a     b      b  a
        gap to             0         4        indices of the previous known play of the same listener
    """
    rows = catalogue.rows(histories.track_keys)
    played_at_ms = np.ascontiguousarray(histories.played_at_ms)
    bounds, indices, gaps_ms, sessions, starts = _follow(
        rows, histories.bounds, played_at_ms, config.session_gap_s * 1000
    )
    return KnownPlays(
        bounds=bounds,
        indices=indices,
        rows=rows[indices],
        played_at_ms=played_at_ms[indices],
        gaps_ms=gaps_ms,
        sessions=sessions,
        starts=starts,
        contexts=histories.contexts[indices],
        repeats=histories.repeats[indices],
    )


@compiled
def _follow(
    rows: NDArray[np.int64], bounds: NDArray[np.int64], played_at_ms: NDArray[np.int64], session_gap_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return bounds, indices, gaps, sessions and starts of `KnownPlays`; rows (P,) and times are those of all plays."""
    indices = np.flatnonzero(rows != UNKNOWN)
    gaps_ms, sessions = np.zeros(len(indices), np.int64), np.empty(len(indices), np.int64)
    known_bounds, starts = np.zeros(len(bounds), np.int64), np.empty(len(indices), np.bool_)
    number = session = 0
    for listener in range(len(bounds) - 1):
        first = number
        while number < len(indices) and indices[number] < bounds[listener + 1]:
            play, previous = indices[number], indices[number - 1]
            has_previous = number > first and play - previous <= RING_SIZE
            if has_previous:
                gaps_ms[number] = max(played_at_ms[play] - played_at_ms[previous], 0)
            starts[number] = not has_previous or gaps_ms[number] > session_gap_ms
            session += starts[number]
            sessions[number] = session
            number += 1
        known_bounds[listener + 1] = number
    return known_bounds, indices, gaps_ms, sessions, starts


def play_features(known: KnownPlays, plays: NDArray[np.int64], config: ArchitectureConfig) -> NDArray[np.float32]:
    """Describe known plays, apart from their tracks.

    Args:
        known: K plays.
        plays: int64 (...), indices of the K.
        config: its contexts are the one-hot inputs.

    Returns:
        float32 (..., F): log1p(gap in s) / 8, session start, gap above a day, repeat, context one-hot.
    """
    columns, num = (known.gaps_ms, known.starts, known.repeats, known.contexts), num_features(config)
    return _features(columns, plays.reshape(-1), _context_inputs(config), num).reshape(*plays.shape, num)


@compiled
def _features(
    columns: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.uint8]],
    plays: NDArray[np.int64],
    inputs: NDArray[np.int64],
    num: int,
) -> NDArray[np.float32]:
    """Return the features of n plays, float32 (n, F); the columns are gaps, starts, repeats and contexts of all."""
    gaps_ms, starts, repeats, contexts = columns
    features = np.zeros((len(plays), num), np.float32)
    for place in range(len(plays)):
        play = plays[place]
        features[place, GAP] = math.log1p(gaps_ms[play] / 1000) / 8  # / 8: an hour is about 1, a year about 2
        features[place, 1] = starts[play]
        features[place, 2] = gaps_ms[play] > DAY_MS
        features[place, 3] = repeats[play]
        context = inputs[min(contexts[play], len(inputs) - 1)]
        if context >= 0:
            features[place, CONTEXT + context] = 1
    return features


def _context_inputs(config: ArchitectureConfig) -> NDArray[np.int64]:
    """Map each context code to its one-hot input: its own, else that of "other", else -1 for none: int64 (9,)."""
    places = {context: place for place, context in enumerate(config.contexts)}
    other = places.get("other", -1)
    return np.array([places.get(context, other) for context in CONTEXTS])
