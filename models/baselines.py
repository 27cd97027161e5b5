"""Baselines a network must beat: popularity, and the track that followed the current one most often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.catalogue import FIRST_TRACK
from models.ranking import top_k
from models.split import Lists, Part, Split

_SLICE: Final = 256  # anchors scored at once
_BACK_OFF: Final = 0.01  # weight of popularity beside transitions: it orders what never followed

Scores: TypeAlias = NDArray[np.float32]


def popularity_lists(split: Split, part: Part) -> Lists:
    """Recommend what was played most before T1, to everybody."""
    shares = _shares(split)
    return _lists(split, part, lambda rows: np.tile(shares, (len(rows), 1)))


def markov_lists(split: Split, part: Part) -> Lists:
    """Recommend what most often came right after the current track before T1: first-order Markov."""
    num_tracks = len(split.catalogue)
    train = split.histories.played_at_ms < split.t1_ms
    listeners = split.histories.listeners()
    plays = np.flatnonzero(train[:-1] & train[1:] & (listeners[:-1] == listeners[1:]))
    currents, nexts = split.rows[plays] - FIRST_TRACK, split.rows[plays + 1] - FIRST_TRACK
    counts = csr_array((np.ones(len(plays), np.float32), (currents, nexts)), shape=(num_tracks, num_tracks))
    totals = np.maximum(counts.sum(axis=1), 1)  # (M,)
    back_off = _BACK_OFF * _shares(split)
    return _lists(split, part, lambda rows: counts[rows].toarray() / totals[rows, None] + back_off)


def _shares(split: Split) -> Scores:
    """Give each track's share of the training plays: float32 (M,)."""
    train = split.histories.played_at_ms < split.t1_ms
    counts = np.bincount(split.rows[train] - FIRST_TRACK, minlength=len(split.catalogue))
    shares: Scores = (counts / counts.sum()).astype(np.float32)
    return shares


def _lists(split: Split, part: Part, score: Callable[[NDArray[np.int64]], Scores]) -> Lists:
    """Rank what `score` makes of the current tracks (A,), places in the catalogue: scores (A, M)."""
    currents = split.rows[split.anchors(part)] - FIRST_TRACK
    slices = [currents[begin : begin + _SLICE] for begin in range(0, len(currents), _SLICE)]
    long_term = np.concatenate(
        [top_k(torch.from_numpy(score(rows)), 100)[0].numpy() for rows in slices] or [np.empty((0, 100), np.int64)]
    )
    return Lists(long_term[:, :20], long_term)
