"""The situation: what kind of moment an answer is given at.

Read from the ring alone, so that neither batching nor a change of weights shows in it.
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
        known: the K known of P plays.
        bounds: int64 (B + 1,), of the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.

    Returns:
        float32 (A, 5): log1p of the session's known plays before the latest, log1p of the gap before it in s, whether
        it started a session, the share of repeats among the ring's known plays (of them and four made-up ones, of which
        one repeats), log1p of the ring's known plays. Zeros where the ring holds none.
    """
    described = np.zeros((len(anchors), NUM_SITUATIONS), np.float32)
    latest = np.searchsorted(known.indices, anchors, side="right") - 1  # (A,)
    oldest = np.maximum(bounds[np.searchsorted(bounds, anchors, side="right") - 1], anchors - (RING_SIZE - 1))
    firsts = np.searchsorted(known.indices, oldest)  # (A,)
    heard = latest >= firsts
    latest, firsts = latest[heard], firsts[heard]
    session_firsts = np.maximum(np.searchsorted(known.sessions, known.sessions[latest]), firsts)
    repeats = np.concatenate([[0], np.cumsum(known.repeats)])
    lengths = latest + 1 - firsts  # 1 and more
    described[heard, 0] = np.log1p(latest - session_firsts)
    has_previous = lengths > 1  # what the ring no longer holds may not count: a worker would not know it
    described[heard, 1] = np.log1p(known.gaps_ms[latest] / 1000) * has_previous
    described[heard, 2] = known.starts[latest] | ~has_previous
    described[heard, 3] = (repeats[latest + 1] - repeats[firsts] + 1) / (lengths + 4)
    described[heard, 4] = np.log1p(lengths)
    return described
