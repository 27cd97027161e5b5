"""Co-occurrence: how often tracks were played soon after each other, and in the same sessions.

Tracks are numbered by their catalogue row less FIRST_TRACK, 0..M-1. M tracks, W neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array


def follower_counts(
    tracks: NDArray[np.int64], listeners: NDArray[np.int64], num_tracks: int, *, reach: int
) -> csr_array:
    """Count which tracks followed which, each time by 1 / distance in plays.

    Args:
        tracks: int64 (P,), grouped by listener, oldest first.
        listeners: int64 (P,).
        num_tracks: M.
        reach: greatest distance that counts; 1: a first-order Markov chain.

    Returns:
        float32 (M, M): row, the earlier track; column, the later one.
    """
    currents, nexts, weights = [], [], []
    for distance in range(1, min(reach, len(tracks) - 1) + 1):
        plays = np.flatnonzero(listeners[distance:] == listeners[:-distance])
        currents.append(tracks[plays])
        nexts.append(tracks[plays + distance])
        weights.append(np.full(len(plays), 1 / distance, np.float32))
    nothing: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    places = (np.concatenate(nothing + currents), np.concatenate(nothing + nexts))
    return csr_array(
        (np.concatenate([np.empty(0, np.float32), *weights]), places), shape=(num_tracks, num_tracks)
    )  # fmt: skip


def row_shares(counts: csr_array) -> csr_array:
    """Divide every row by its sum: float32; a row without counts stays zero."""
    totals = counts.sum(axis=1)
    shares = diags_array(np.divide(1, totals, out=np.zeros_like(totals), where=totals > 0)) @ counts
    return csr_array(shares.astype(np.float32))


def session_cosines(sessions: csr_array, *, shrinkage: float) -> csr_array:
    """Measure how close tracks are by the sessions they were played in.

    Args:
        sessions: float32 (S, M), 1 where a session holds a track.
        shrinkage: number of sessions added to those of every track, so that rare tracks are not close by chance.

    Returns:
        float32 (M, M), 0 on the diagonal.

    Source: Sarwar et al. 2001; with sessions and a regulariser, Hidasi et al. 2016 (Item-KNN).
    """
    together = csr_array(sessions.T @ sessions)
    together.setdiag(0)
    together.eliminate_zeros()
    scale = diags_array(1 / np.sqrt(sessions.sum(axis=0) + shrinkage))
    return csr_array((scale @ together @ scale).astype(np.float32))


def sessions_by_track(tracks: NDArray[np.int64], sessions: NDArray[np.int64], num_tracks: int) -> csr_array:
    """Mark the tracks of each session: float32 (S, M), 1 or 0.

    Args:
        tracks: int64 (P,).
        sessions: int64 (P,), rising.
        num_tracks: M.
    """
    numbers = np.cumsum(np.diff(sessions, prepend=sessions[:1]) != 0)
    pairs = np.unique(numbers * num_tracks + tracks)
    ones = (np.ones(len(pairs), np.float32), (pairs // num_tracks, pairs % num_tracks))
    return csr_array(ones, shape=(int(numbers.max(initial=-1)) + 1, num_tracks))


class Neighbours(NamedTuple):
    """Every track's strongest neighbours, strongest first; among equals, the lower track number first.

    Attributes:
        tracks: int32 (M, W); 0 where a track has fewer.
        weights: float32 (M, W), above 0; 0 where a track has fewer.
    """

    tracks: NDArray[np.int32]
    weights: NDArray[np.float32]


def strongest(table: csr_array, width: int) -> Neighbours:
    """Keep the `width` strongest entries of every row.

    A table of two rows, width 2:

        row 0:  .  2  5  2         rows     0  0  0  1
        row 1:  1  .  .  .         order    the 5, a 2 (column 1), a 2 (column 3); the 1
                                   places   0  1  2  0      within the row, strongest first; 2 is too far
    """
    table = csr_array(table)
    table.sum_duplicates()
    rows = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    order = np.lexsort((table.indices, -table.data, rows))
    places = np.arange(len(rows)) - table.indptr[rows]  # within the row: sorting leaves rows in order
    is_near = places < width
    neighbours = Neighbours(np.zeros((table.shape[0], width), np.int32), np.zeros((table.shape[0], width), np.float32))
    neighbours.tracks[rows[is_near], places[is_near]] = table.indices[order][is_near]
    neighbours.weights[rows[is_near], places[is_near]] = table.data[order][is_near]
    return neighbours


class PairFollowers(NamedTuple):
    """What came right after two tracks in a row; U pairs.

    Attributes:
        keys: int64 (U,), rising: the earlier track * M + the later one.
        counts: float32 (U, M).
    """

    keys: NDArray[np.int64]
    counts: csr_array


def pair_follower_counts(
    tracks: NDArray[np.int64], listeners: NDArray[np.int64], num_tracks: int
) -> PairFollowers:  # fmt: skip
    """Count which track came right after which two: a second-order Markov chain.

    Args:
        tracks: int64 (P,), grouped by listener, oldest first.
        listeners: int64 (P,).
        num_tracks: M.
    """
    seconds = np.flatnonzero(listeners[2:] == listeners[:-2]) + 1
    keys, pairs = np.unique(tracks[seconds - 1] * num_tracks + tracks[seconds], return_inverse=True)
    counts = (np.ones(len(seconds), np.float32), (pairs, tracks[seconds + 1]))
    return PairFollowers(keys, csr_array(counts, shape=(len(keys), num_tracks)))
