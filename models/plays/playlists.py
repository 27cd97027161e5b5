"""Playlists as histories: somebody who plays each from top to bottom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.plays.histories import Histories, gather_histories


def playlist_histories(
    playlists: NDArray[np.int64], positions: NDArray[np.int64], track_keys: NDArray[np.uint64]
) -> Histories:
    """Make one listener of each playlist. They have no times (all are 0) and no contexts.

    Args:
        playlists: int64 (P,), any numbers; tracks of one need not stand together.
        positions: int64 (P,), rising from a playlist's top; tracks of equal position keep their order.
        track_keys: uint64 (P,).

    Source: De Boom et al. 2018, who train r_P on them.
    """
    order = np.argsort(positions, kind="stable")
    _, listeners = np.unique(playlists[order], return_inverse=True)
    return gather_histories(listeners, track_keys[order], np.zeros(len(order), np.int64))
