"""Queries: a listener's latest plays as weights of tracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Split


def latest_plays(
    split: Split, anchors: NDArray[np.int64], num_plays: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the latest plays of the listeners, newest first, starting at the anchor.

    Returns:
        int64 (A, num_plays), indices of plays, and bool (A, num_plays): which are real, as some listeners have fewer.
    """
    begins = split.histories.bounds[np.searchsorted(split.histories.bounds, anchors, side="right") - 1]
    plays = anchors[:, None] - np.arange(min(num_plays, int((anchors - begins).max(initial=0)) + 1))  # (A, n)
    real = plays >= begins[:, None]
    return np.where(real, plays, anchors[:, None]), real


def decayed_query(split: Split, anchors: NDArray[np.int64], num_plays: int, decay: float) -> csr_array:
    """Weight each of the latest plays by decay ** (plays since then), summed by track: float32 (A, M)."""
    plays, real = latest_plays(split, anchors, num_plays)
    weights = np.broadcast_to(np.float32(decay) ** np.arange(plays.shape[1], dtype=np.float32), plays.shape)
    numbers = np.broadcast_to(np.arange(len(anchors))[:, None], plays.shape)
    return csr_array(
        (weights[real], (numbers[real], split.rows[plays[real]] - FIRST_TRACK)),
        shape=(len(anchors), len(split.catalogue)),
    )
