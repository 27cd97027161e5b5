"""Scanning, compiled: the lists of an index pass by, and each anchor keeps the best tracks of those it visits.

A anchors, B tracks of a block, E embedding; an anchor visits a list.

    codes of a block (E, B) ---> floats, once for all who visit ---> scores (B,) of each visitor ---> kept (A, C)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, compiled_sums
from models.serving.rounded_selection import Kept, has_room, raise_floor


class Lists(NamedTuple):
    """A `TrackIndex`, without its centroids."""

    starts: NDArray[np.int64]
    tracks: NDArray[np.int32]
    codes: NDArray[np.int8]
    steps: NDArray[np.float32]


class Visits(NamedTuple):
    """Which lists are scanned for which anchors, by rising list.

    Attributes:
        lists: int64 (V,).
        anchors: int64 (V,).
        scores: float32 (V,), of the anchor's taste with the centroid of the list.
    """

    lists: NDArray[np.int64]
    anchors: NDArray[np.int64]
    scores: NDArray[np.float32]


@compiled
def score_centroids(
    blocks: NDArray[np.float32], tastes: NDArray[np.float32], scores: NDArray[np.float32]
) -> None:  # fmt: skip
    """Score every centroid; an anchor's scores depend on its own taste alone, to the last bit.

    Args:
        blocks: float32 (N, E, B), N blocks of B centroids, component by component.
        tastes: float32 (A, E).
        scores: float32 (A, N * B), written.
    """
    width = blocks.shape[2]
    steps = np.ones(width, np.float32)
    for block in range(len(blocks)):
        for anchor in range(len(tastes)):
            written = scores[anchor, block * width : (block + 1) * width]
            _take_scores(tastes[anchor], blocks[block], steps, np.float32(0), written)


@compiled
def scan(lists: Lists, visits: Visits, tastes: NDArray[np.float32], k: int, kept: Kept) -> None:
    """Keep the tracks of visited lists that may be among the k best, beside those kept already.

    Args:
        lists: of the index.
        visits: of A anchors.
        tastes: float32 (A, E).
        k: tracks wanted.
        kept: changed in place; it has a place for each track that is within the slack of the k-th, for each anchor.
    """
    _, size, width = lists.codes.shape
    floats, scores = np.empty((size, width), np.float32), np.empty(width, np.float32)
    begin = 0
    while begin < len(visits.lists):
        visited, end = visits.lists[begin], begin + 1
        while end < len(visits.lists) and visits.lists[end] == visited:
            end += 1
        for block in range(lists.starts[visited], lists.starts[visited + 1]):
            _widen(lists.codes[block], floats)
            for visit in range(begin, end):
                anchor = visits.anchors[visit]
                _take_scores(tastes[anchor], floats, lists.steps[block], visits.scores[visit], scores)
                if _count_above(scores, kept.floors[anchor]) and has_room(kept, anchor, k, width):
                    _keep(kept, anchor, lists.tracks[block], scores)
                    if kept.nums[anchor] > 2 * k:
                        raise_floor(kept, anchor, k)
        begin = end


@compiled
def _widen(codes: NDArray[np.int8], floats: NDArray[np.float32]) -> None:
    for component in range(codes.shape[0]):
        for place in range(codes.shape[1]):
            floats[component, place] = np.float32(codes[component, place])


@compiled_sums
def _take_scores(
    taste: NDArray[np.float32],
    floats: NDArray[np.float32],
    steps: NDArray[np.float32],
    of_centroid: np.float32,
    scores: NDArray[np.float32],
) -> None:
    """Score the tracks of a block; eight components at once, so that scores are loaded once for eight."""
    scores[:] = np.float32(0)
    num_eights = len(taste) // 8 * 8
    for row in range(0, num_eights, 8):
        a, b, c, d = taste[row], taste[row + 1], taste[row + 2], taste[row + 3]
        e, f, g, h = taste[row + 4], taste[row + 5], taste[row + 6], taste[row + 7]
        for place in range(len(scores)):
            scores[place] += (
                a * floats[row, place]
                + b * floats[row + 1, place]
                + c * floats[row + 2, place]
                + d * floats[row + 3, place]
                + e * floats[row + 4, place]
                + f * floats[row + 5, place]
                + g * floats[row + 6, place]
                + h * floats[row + 7, place]
            )
    for row in range(num_eights, len(taste)):
        for place in range(len(scores)):
            scores[place] += taste[row] * floats[row, place]
    for place in range(len(scores)):
        scores[place] = of_centroid + steps[place] * scores[place]


@compiled
def _count_above(scores: NDArray[np.float32], floor: np.float32) -> np.int32:
    num = np.int32(0)  # as wide as the scores, which makes counting five times as fast
    for place in range(len(scores)):
        num = np.int32(num + np.int32(scores[place] >= floor))
    return num


@compiled
def _keep(kept: Kept, anchor: int, tracks: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
    """Keep those of a block that reach the floor: all are written, as a branch would take longer."""
    kept_tracks, kept_scores, floor = kept.tracks[anchor], kept.scores[anchor], kept.floors[anchor]
    num = kept.nums[anchor]
    for place in range(len(scores)):
        kept_tracks[num], kept_scores[num] = tracks[place], scores[place]
        num += (scores[place] >= floor) & (tracks[place] >= 0)
    kept.nums[anchor] = num
