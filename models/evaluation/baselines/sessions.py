"""The sessions before T1: which tracks each holds, where in it, and when it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Split


@dataclass(frozen=True, slots=True)
class Sessions:
    """S sessions.

    Attributes:
        tracks: float32 (S, M), 1 where a session holds a track; its entries are in the order of `places`.
        places: int64 (entries,), the track's place in its session, the latest if it was played several times.
        ended_at_ms: int64 (S,).
    """

    tracks: csr_array
    places: NDArray[np.int64]
    ended_at_ms: NDArray[np.int64]


def training_sessions(split: Split) -> Sessions:
    """Gather the sessions before T1."""
    histories, numbers = split.training_histories()
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    sessions = np.cumsum(np.diff(numbers, prepend=numbers[0]) != 0)  # (P,)
    tracks = split.catalogue.rows(histories.track_keys) - FIRST_TRACK
    num_tracks = len(split.catalogue)
    latest_first = np.arange(len(tracks))[::-1]
    keys, latest = np.unique((sessions * num_tracks + tracks)[latest_first], return_index=True)
    plays = latest_first[latest]  # the latest play of each track of each session, by session, then by track
    bounds = np.searchsorted(keys, np.arange(len(starts) + 1) * num_tracks)
    return Sessions(
        tracks=csr_array((np.ones(len(keys), np.float32), tracks[plays], bounds), shape=(len(starts), num_tracks)),
        places=plays - starts[sessions[plays]],
        ended_at_ms=histories.played_at_ms[np.append(starts[1:], len(tracks)) - 1],
    )
