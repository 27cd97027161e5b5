"""Neighbourhoods: which tracks are close to which, as the edges of a graph."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.compiled import compiled_sums
from models.serving.rounded_first_stage import RoundedFirstStage

NUM_NEIGHBOURS: Final = 15
_SEARCHED_AT_ONCE: Final = 4096
_ONE: Final = np.float32(1)


class Neighbourhoods(NamedTuple):
    """The neighbours of N points, in both directions.

    Attributes:
        nearest: int64 (N, k), those of each point, nearest first.
        starts: int64 (N + 1,), where the edges of each point begin.
        others: int32 (edges,), the point at the other end: a neighbour, or one that has this point as a neighbour.
        shares: float32 (edges,), all edges add up to 1; those in both directions have twice the share.
    """

    nearest: NDArray[np.int64]
    starts: NDArray[np.int64]
    others: NDArray[np.int32]
    shares: NDArray[np.float32]


def find_neighbourhoods(vectors: NDArray[np.float32], num: int = NUM_NEIGHBOURS) -> Neighbourhoods:
    """Find the neighbours of unit vectors, float32 (N, E), by cosine; every neighbour has the same share.

    Equal shares serve a layout as well as those of a Gaussian around each point.

    Source: Boehm, Berens and Kobak 2022, Attraction-Repulsion Spectrum in Neighbor Embeddings.
    """
    size, num = len(vectors), min(num, max(1, (len(vectors) - 1) // 3))
    stage, nearest = RoundedFirstStage(torch.from_numpy(vectors)), np.empty((size, num), np.int64)
    for begin in range(0, size, _SEARCHED_AT_ONCE):
        part = slice(begin, begin + _SEARCHED_AT_ONCE)
        found = stage.best(torch.from_numpy(vectors[part]), num + 1).tracks.numpy()  # (n, k + 1), itself among them
        itself = np.arange(begin, begin + len(found))[:, None]
        places = np.argsort(found == itself, axis=1, kind="stable")[:, :num]  # others first, in their order
        nearest[part] = np.take_along_axis(found, places, axis=1)
    points = np.repeat(np.arange(size), num)
    ends = np.stack([np.concatenate([points, nearest.ravel()]), np.concatenate([nearest.ravel(), points])])
    edges, counts = np.unique(ends[0] * size + ends[1], return_counts=True)  # rises by point, then by the other
    starts = np.searchsorted(edges, np.arange(size + 1) * size)
    shares = (counts / max(len(points) * 2, 1)).astype(np.float32)
    return Neighbourhoods(nearest, starts, (edges % size).astype(np.int32), shares)


@compiled_sums
def pull_together(
    places: NDArray[np.float32],
    starts: NDArray[np.int64],
    others: NDArray[np.int32],
    shares: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Compute how neighbours pull each place, float32 (N, 2): the sum of share * q (place - other) over its edges."""
    pulls = np.zeros_like(places)
    for place in range(len(places)):
        for edge in range(starts[place], starts[place + 1]):
            other = others[edge]
            way_x, way_y = places[place, 0] - places[other, 0], places[place, 1] - places[other, 1]
            weight = shares[edge] / (_ONE + way_x * way_x + way_y * way_y)
            pulls[place, 0] += weight * way_x
            pulls[place, 1] += weight * way_y
    return pulls
