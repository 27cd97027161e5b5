"""Playlists as histories: one listener each, who plays it from top to bottom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.plays.histories import Histories, gather_histories


def playlist_histories(
    playlists: NDArray[np.int64], positions: NDArray[np.int64], track_keys: NDArray[np.uint64]
) -> Histories:
    """Turn each playlist into one listener. Playlists have no times (all are 0) and no contexts.

    Args:
        playlists: int64 (P,), any numbers, in any order.
        positions: int64 (P,), rising from the top of a playlist; tracks at equal positions keep their order.
        track_keys: uint64 (P,).

    Source: De Boom et al. 2018, who train their network r_P on playlists.
    """
    order = np.argsort(positions, kind="stable")
    _, listeners = np.unique(playlists[order], return_inverse=True)
    return gather_histories(listeners, track_keys[order], np.zeros(len(order), np.int64))
