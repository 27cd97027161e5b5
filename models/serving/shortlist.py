"""The shortlist of a horizon: the best tracks by the whole score of the first stage, ring terms included."""

from __future__ import annotations

import torch
from torch import Tensor

from models.serving.first_stage import FirstStage
from models.serving.moments import Best
from models.serving.vocabulary import NO_TRACK


def shortlist(first_stage: FirstStage, items: Tensor, taste: Tensor, ring: tuple[Tensor, Tensor], num: int) -> Best:
    """Find the best tracks of A anchors.

    Only tracks of the ring have a term. So the best by cosine alone, as many more as the ring has places, hold the best
    of all other tracks; those of the ring are scored apart.

    Args:
        first_stage: finds tracks by cosine.
        items: float32 (M, E), unit vectors.
        taste: float32 (A, E), unit vectors.
        ring: tracks int64 (A, P), NO_TRACK in empty places, and their terms float32 (A, P).
        num: tracks wanted.
    """
    held, terms = ring
    found = first_stage.best(taste, num + held.shape[1])
    is_held = (found.tracks[:, :, None] == held[:, None, :]).any(2)  # (A, n)
    of_ring = (items[held.where(held != NO_TRACK, 0)] * taste[:, None]).sum(2) + terms  # (A, P)
    tracks = torch.cat([found.tracks, held.masked_fill(held == NO_TRACK, -1)], dim=1)
    scores = torch.cat([found.scores.masked_fill(is_held, -torch.inf), of_ring], dim=1)
    scores = scores.masked_fill(tracks < 0, -torch.inf)
    return best_of(tracks, scores, num)


def best_of(tracks: Tensor, scores: Tensor, num: int) -> Best:
    """Sort tracks (A, n), distinct but for empty ones with the score -inf, and keep the best."""
    tracks, order = tracks.sort(dim=1)  # the lower track first among equals: the next sort keeps their order
    scores, order = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
    tracks, scores = tracks.gather(1, order)[:, :num], scores[:, :num]
    return Best(tracks.masked_fill(scores == -torch.inf, -1), scores)
