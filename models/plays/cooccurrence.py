"""Co-occurrence: how often tracks were played soon after each other, and in the same sessions.

These are whole tables, for baselines on recorded plays; releases count by `models.plays.tallies`.

Tracks are numbered by their catalogue row less FIRST_TRACK, 0..M-1.
"""

from __future__ import annotations

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
