"""The situation: what kind of moment an answer is given at.

It is read from the ring alone, so neither batching nor new weights can change it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.plays.features import KnownPlays
from models.plays.ring import plays_in_rings

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
    firsts, ends = plays_in_rings(known.indices, bounds, anchors)
    return _describe(firsts, ends, known.gaps_ms, known.starts, known.repeats)


@compiled
def _describe(
    firsts: NDArray[np.int64],
    ends: NDArray[np.int64],
    gaps_ms: NDArray[np.int64],
    starts: NDArray[np.bool_],
    repeats: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the features; firsts and ends (A,) bound the known plays of each ring, the other columns are theirs."""
    features = np.zeros((len(firsts), NUM_SITUATIONS), np.float32)
    for anchor in range(len(firsts)):
        first, latest = firsts[anchor], ends[anchor] - 1
        length = latest + 1 - first
        if length <= 0:
            continue
        session_first = latest
        while session_first > first and not starts[session_first]:
            session_first -= 1
        has_previous = length > 1  # plays that left the ring must not count: a worker has forgotten them
        features[anchor, 0] = math.log1p(latest - session_first)
        features[anchor, 1] = math.log1p(gaps_ms[latest] / 1000) if has_previous else 0.0
        features[anchor, 2] = starts[latest] or not has_previous
        features[anchor, 3] = (repeats[first : latest + 1].sum() + 1) / (length + 4)
        features[anchor, 4] = math.log1p(length)
    return features
