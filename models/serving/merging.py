"""Merging, compiled: the tracks that the first stage found, and those of the ring, whose scores have a term."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled_sums, inlined
from models.plays.catalogue import FIRST_TRACK, PAD


@compiled_sums
def merge(
    found: tuple[NDArray[np.int64], NDArray[np.float32]],
    ring: tuple[NDArray[np.int64], NDArray[np.float32]],
    tastes: NDArray[np.float32],
    items: NDArray[np.float32],
    num: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Merge lists for A anchors and both horizons; see `models.serving.shortlist`.

    Args:
        found: tracks int64 (2, A, n), -1 where there are none, and cosines float32 (2, A, n), best first.
        ring: catalogue rows int64 (A, P), PAD in empty places, and their terms float32 (2, A, P).
        tastes: float32 (2, A, E).
        items: float32 (M, E).
        num: tracks wanted.

    Returns:
        Tracks int64 (2, A, num), -1 where there are none, and scores float32 (2, A, num), -inf there, best first.
    """
    held_rows, terms = ring
    num_horizons, num_anchors, num_places = terms.shape
    tracks = np.full((num_horizons, num_anchors, num), -1, np.int64)
    scores = np.full((num_horizons, num_anchors, num), -np.inf, np.float32)
    held, held_scores = np.empty(num_places, np.int64), np.empty(num_places, np.float32)
    for horizon in range(num_horizons):
        for anchor in range(num_anchors):
            num_held = 0
            for place in range(num_places):
                if held_rows[anchor, place] == PAD:
                    continue
                track = held_rows[anchor, place] - FIRST_TRACK
                score = _cosine(items[track], tastes[horizon, anchor]) + terms[horizon, anchor, place]
                _insert(held, held_scores, num_held, track, score)
                num_held += 1
            _interleave(
                (found[0][horizon, anchor], found[1][horizon, anchor]),
                (held[:num_held], held_scores[:num_held]),
                (tracks[horizon, anchor], scores[horizon, anchor]),
            )
    return tracks, scores


@inlined
def _cosine(item: NDArray[np.float32], taste: NDArray[np.float32]) -> np.float32:
    total = np.float32(0)
    for place in range(len(item)):
        total += item[place] * taste[place]
    return total


@inlined
def _insert(
    tracks: NDArray[np.int64], scores: NDArray[np.float32], size: int, track: int, score: np.float32
) -> None:  # fmt: skip
    """Insert a track into a sorted list."""
    place = size
    while place > 0 and (
        scores[place - 1] < score or (scores[place - 1] == score and tracks[place - 1] > track)
    ):  # fmt: skip
        tracks[place], scores[place] = tracks[place - 1], scores[place - 1]
        place -= 1
    tracks[place], scores[place] = track, score


@inlined
def _interleave(
    found: tuple[NDArray[np.int64], NDArray[np.float32]],
    held: tuple[NDArray[np.int64], NDArray[np.float32]],
    merged: tuple[NDArray[np.int64], NDArray[np.float32]],
) -> None:
    """Merge two sorted lists; what was found counts only if it is not held."""
    place = of_held = 0
    for rank in range(len(merged[0])):
        while place < len(found[0]) and found[0][place] >= 0 and _is_in(found[0][place], held[0]):
            place += 1
        is_there = place < len(found[0]) and found[0][place] >= 0
        if of_held < len(held[0]) and not (
            is_there
            and (
                found[1][place] > held[1][of_held]
                or (found[1][place] == held[1][of_held] and found[0][place] < held[0][of_held])
            )
        ):
            merged[0][rank], merged[1][rank] = held[0][of_held], held[1][of_held]
            of_held += 1
        elif is_there:
            merged[0][rank], merged[1][rank] = found[0][place], found[1][place]
            place += 1
        else:
            return


@inlined
def _is_in(track: int, tracks: NDArray[np.int64]) -> bool:
    is_in = False
    for other in tracks:
        is_in |= other == track
    return is_in
