"""Groups of tracks that point in a similar direction, numbered like those of the release before (k-means by cosine)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.serving.track_map import NUM_GROUPS

NO_GROUP: Final = -1

_PASSES: Final = 25
_DRAWN: Final = 8
_SEED: Final = 1
_ASSIGNED_AT_ONCE: Final = 1 << 16


def group_tracks(vectors: NDArray[np.float32], earlier: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Find the directions of at most NUM_GROUPS groups of unit vectors: float32 (G, E).

    Args:
        vectors: float32 (N, E).
        earlier: int64 (N,), the group of each in the release before, NO_GROUP if it had none. Each group begins with
            the members it had, so it keeps its number; None: groups begin afresh.
    """
    centres = _spread_out(vectors, _begin(vectors, earlier))
    for _ in range(_PASSES):
        centres = _mean_directions(vectors, assign(vectors, centres), centres)
    return centres


def assign(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Find the group of each vector: uint8 (N,)."""
    parts = range(0, len(vectors), _ASSIGNED_AT_ONCE)
    groups = [(vectors[begin : begin + _ASSIGNED_AT_ONCE] @ centres.T).argmax(axis=1) for begin in parts]
    return np.concatenate([np.empty(0, np.uint8), *(each.astype(np.uint8) for each in groups)])


def _begin(vectors: NDArray[np.float32], earlier: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """Return a centre for each group, zeros where it has no members yet."""
    centres = np.zeros((min(NUM_GROUPS, len(vectors)), vectors.shape[1]), np.float32)
    if earlier is None:
        return centres
    is_known = (earlier >= 0) & (earlier < len(centres))
    return _mean_directions(vectors[is_known], earlier[is_known], centres)


def _spread_out(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give groups without a centre the best of some vectors that are drawn far from all centres.

    Source: Arthur and Vassilvitskii 2007, k-means++, the greedy variant.
    """
    rng, centres = np.random.default_rng(_SEED), centres.copy()
    for number in np.flatnonzero(~centres.any(axis=1)):
        cosines = (vectors @ centres[centres.any(axis=1)].T).max(axis=1, initial=-1)  # (N,), with the closest centre
        farness = np.maximum(1 - cosines.astype(np.float64), 1e-9)
        drawn = vectors[rng.choice(len(vectors), _DRAWN, p=farness / farness.sum())]
        with_each = np.maximum(cosines[:, None], vectors @ drawn.T).sum(axis=0)
        centres[number] = drawn[with_each.argmax()]
    return centres


def _mean_directions(
    vectors: NDArray[np.float32], groups: NDArray[np.integer], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Move each centre to the mean direction of its members; one without any stays."""
    sums = np.zeros_like(centres)
    np.add.at(sums, groups, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    moved: NDArray[np.float32] = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres).astype(np.float32)
    return moved
