"""The featuriser: what the network reads of each play, one code path for serving, training and evaluation.

Law: serving is training. Tracks unknown to a catalogue are left out here once, so that neither the recurrence, nor the
gaps, nor the ring terms ever see them; they only use up places of the ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import CONTEXTS, RING_SIZE, ArchitectureConfig
from models.plays.catalogue import UNKNOWN, Catalogue
from models.plays.histories import Histories

DAY_MS: Final = 86_400_000

GAP: Final = 0
"""Which feature is the time since the play before."""

CONTEXT: Final = 4
"""Where the features of the context begin; in front stand gap, session start, gap above a day, repeat."""


@dataclass(frozen=True, slots=True)
class KnownPlays:
    """The K of P plays whose tracks a catalogue knows, oldest first within each of B listeners.

    Attributes:
        bounds: int64 (B + 1,), into the K plays.
        indices: int64 (K,), rising: where each play stands among the P.
        rows: int64 (K,), catalogue rows.
        played_at_ms: int64 (K,).
        gaps_ms: int64 (K,), since the listener's known play before it if the ring still held that; 0 if none, or late.
        sessions: int64 (K,), rising; a new one wherever a session starts.
        starts: bool (K,), the play starts a session: no known play in the ring, or a longer gap than a session has.
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
    """Count the features of a play, F."""
    return CONTEXT + len(config.contexts)


def known_plays(histories: Histories, catalogue: Catalogue, config: ArchitectureConfig) -> KnownPlays:
    """Leave out the tracks the catalogue does not know; derive gaps and sessions from the rest."""
    all_rows = catalogue.rows(histories.track_keys)
    indices = np.flatnonzero(all_rows != UNKNOWN)
    bounds = np.searchsorted(indices, histories.bounds)
    played_at_ms = histories.played_at_ms[indices]

    has_previous = np.zeros(len(indices), np.bool_)
    has_previous[1:] = np.diff(indices) <= RING_SIZE
    has_previous[bounds[:-1][bounds[:-1] < len(indices)]] = False  # a listener's first is nobody's next
    gaps_ms = np.zeros(len(indices), np.int64)
    gaps_ms[1:] = np.maximum(np.diff(played_at_ms), 0)
    gaps_ms[~has_previous] = 0
    starts = ~has_previous | (gaps_ms > config.session_gap_s * 1000)
    return KnownPlays(
        bounds=bounds,
        indices=indices,
        rows=all_rows[indices],
        played_at_ms=played_at_ms,
        gaps_ms=gaps_ms,
        sessions=np.cumsum(starts),
        starts=starts,
        contexts=histories.contexts[indices],
        repeats=histories.repeats[indices],
    )


def play_features(known: KnownPlays, plays: NDArray[np.int64], config: ArchitectureConfig) -> NDArray[np.float32]:
    """Describe some known plays beside their tracks.

    Args:
        known: the plays.
        plays: int64 (...), which of the K.
        config: its contexts are the one-hot inputs.

    Returns:
        float32 (..., F): log1p(gap in s) / 8, session start, gap above a day, repeat, context one-hot.
    """
    gaps_ms = known.gaps_ms[plays]
    features = np.zeros((*plays.shape, num_features(config)), np.float32)
    features[..., GAP] = np.log1p(gaps_ms / 1000) / 8  # / 8: a gap of an hour is about 1, one of a year about 2
    features[..., 1] = known.starts[plays]
    features[..., 2] = gaps_ms > DAY_MS
    features[..., 3] = known.repeats[plays]
    inputs = _context_inputs(config)[np.minimum(known.contexts[plays], len(CONTEXTS) - 1)]
    features[..., CONTEXT:] = inputs[..., None] == np.arange(len(config.contexts))
    return features


def _context_inputs(config: ArchitectureConfig) -> NDArray[np.int64]:
    """Give each context code its one-hot place: that of "other" where it has none of its own, -1 where neither has."""
    places = {context: place for place, context in enumerate(config.contexts)}
    other = places.get("other", -1)
    return np.array([places.get(context, other) for context in CONTEXTS])
