"""A bounded heap of the best tracks seen, compiled.

The worst of them is on top, so that most tracks are turned away at once. Of equals, the lower track is the better one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.compiled import inlined


@inlined
def offer(scores: NDArray[np.float32], tracks: NDArray[np.int32], size: int, score: np.float32, track: int) -> int:
    """Offer a track to a heap with room for as many as its arrays have; return how many it then holds."""
    if size < len(scores):
        place = size
        while place > 0:
            parent = (place - 1) >> 1
            if not is_worse(score, track, scores[parent], tracks[parent]):
                break
            scores[place], tracks[place] = scores[parent], tracks[parent]
            place = parent
        scores[place], tracks[place] = score, track
        return size + 1
    if is_worse(scores[0], tracks[0], score, track):
        sift(scores, tracks, size, score, track)
    return size


@inlined
def sift(scores: NDArray[np.float32], tracks: NDArray[np.int32], size: int, score: np.float32, track: int) -> None:
    """Put a track in the place of the worst one, and restore the order of the first `size`."""
    place = 0
    child = 1
    while child < size:
        if child + 1 < size and is_worse(scores[child + 1], tracks[child + 1], scores[child], tracks[child]):
            child += 1
        if not is_worse(scores[child], tracks[child], score, track):
            break
        scores[place], tracks[place] = scores[child], tracks[child]
        place = child
        child = 2 * place + 1
    scores[place], tracks[place] = score, track


@inlined
def sort_best_first(scores: NDArray[np.float32], tracks: NDArray[np.int32], size: int) -> None:
    """Sort a heap of `size`, the best first."""
    for end in range(size - 1, 0, -1):
        score, track = scores[end], tracks[end]
        scores[end], tracks[end] = scores[0], tracks[0]
        sift(scores, tracks, end, score, track)


@inlined
def is_worse(score: np.float32, track: int, other_score: np.float32, other_track: int) -> bool:
    """Compare two tracks."""
    return bool(score < other_score or (score == other_score and track > other_track))
