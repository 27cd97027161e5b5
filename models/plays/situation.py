"""The situation: what kind of moment an answer is given at.

It is read from the ring alone, so neither batching nor new weights can change it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import RING_SIZE
from models.plays.features import KnownPlays

NUM_SITUATIONS: Final = 5


def situations(known: KnownPlays, bounds: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.float32]:
    """Describe the moments after some plays.

    Args:
        known: the K known plays among P.
        bounds: int64 (B + 1,), the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.

    Returns:
        float32 (A, 5), zeros where the ring holds no known play. The columns, for the latest known play:

            0  log1p(number of known plays before it in its session)
            1  log1p(gap before it, in seconds)
            2  1 if it started a session
            3  share of repeats among the ring's known plays, smoothed: (repeats + 1) / (plays + 4)
            4  log1p(number of known plays in the ring)
    """
    features = np.zeros((len(anchors), NUM_SITUATIONS), np.float32)
    latest = np.searchsorted(known.indices, anchors, side="right") - 1  # (A,)
    oldest = np.maximum(bounds[np.searchsorted(bounds, anchors, side="right") - 1], anchors - (RING_SIZE - 1))
    firsts = np.searchsorted(known.indices, oldest)  # (A,)
    is_known = latest >= firsts  # (A,), the ring holds a known play
    latest, firsts = latest[is_known], firsts[is_known]
    session_firsts = np.maximum(np.searchsorted(known.sessions, known.sessions[latest]), firsts)
    repeats = np.concatenate([[0], np.cumsum(known.repeats)])
    lengths = latest + 1 - firsts  # known plays in the ring, 1 or more
    features[is_known, 0] = np.log1p(latest - session_firsts)
    has_previous = lengths > 1  # plays that left the ring must not count: a worker has forgotten them
    features[is_known, 1] = np.log1p(known.gaps_ms[latest] / 1000) * has_previous
    features[is_known, 2] = known.starts[latest] | ~has_previous
    features[is_known, 3] = (repeats[latest + 1] - repeats[firsts] + 1) / (lengths + 4)
    features[is_known, 4] = np.log1p(lengths)
    return features
