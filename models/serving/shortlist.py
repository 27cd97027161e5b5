"""The shortlist of a horizon: the best tracks by the whole score of the first stage, ring terms included."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.serving.first_stage import FirstStage
from models.serving.merging import merge
from models.serving.moments import Best
from models.serving.vocabulary import NO_TRACK


def shortlists(first_stage: FirstStage, items: Tensor, tastes: Tensor, ring: tuple[Tensor, Tensor], num: int) -> Best:
    """Find the best tracks of A anchors for each horizon: (2, A, num).

    Only tracks of the ring have a term. So the best by cosine alone, as many more as the ring has places, hold the best
    of all other tracks; those of the ring are scored apart.

    Args:
        first_stage: finds tracks by cosine.
        items: float32 (M, E), unit vectors.
        tastes: float32 (2, A, E), unit vectors.
        ring: tracks int64 (A, P), NO_TRACK in empty places, and their terms float32 (2, A, P).
        num: tracks wanted.
    """
    held, terms = ring
    found = first_stage.best(tastes.flatten(0, 1), num + held.shape[1])
    of_ring = items[held.where(held != NO_TRACK, 0)]  # (A, P, E)
    parts = zip(found.tracks.chunk(len(tastes)), found.scores.chunk(len(tastes)), tastes, terms, strict=True)
    lists = []
    for tracks, cosines, taste, of_places in parts:
        is_held = (tracks[:, :, None] == held[:, None, :]).any(2)  # (A, n)
        scores = [cosines.masked_fill(is_held, -torch.inf), (of_ring * taste[:, None]).sum(2) + of_places]
        together = torch.cat([tracks, held.masked_fill(held == NO_TRACK, -1)], dim=1)
        lists.append(best_of(together, torch.cat(scores, dim=1).masked_fill(together < 0, -torch.inf), num))
    return Best(*(torch.stack(columns) for columns in zip(*lists, strict=True)))


def merged(
    first_stage: FirstStage,
    items: NDArray[np.float32],
    asked: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]],
    num: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find what `shortlists` finds, on a CPU.

    Args:
        first_stage: finds tracks by cosine.
        items: float32 (M, E), unit vectors.
        asked: tastes float32 (2, A, E), unit vectors; the ring's catalogue rows int64 (A, P), PAD in empty places, and
            their terms float32 (2, A, P).
        num: tracks wanted.
    """
    tastes, rows, terms = asked
    found = first_stage.best(torch.from_numpy(tastes.reshape(-1, tastes.shape[2])), num + rows.shape[1])
    shape = (*tastes.shape[:2], num + rows.shape[1])
    lists = found.tracks.numpy().reshape(shape), found.scores.numpy().reshape(shape)
    return merge(lists, (rows, terms), tastes, items, num)


def best_of(tracks: Tensor, scores: Tensor, num: int) -> Best:
    """Sort tracks (A, n), distinct but for empty ones with the score -inf, and keep the best."""
    tracks, order = tracks.sort(dim=1)  # the lower track first among equals: the next sort keeps their order
    scores, order = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
    tracks, scores = tracks.gather(1, order)[:, :num], scores[:, :num]
    return Best(tracks.masked_fill(scores == -torch.inf, -1), scores)
