"""The shortlist of a horizon: the best tracks by the whole score of the first stage, ring terms included."""

from __future__ import annotations

import torch
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
    if tastes.device.type == "cpu":
        return _merged(found, items, tastes, ring, num)
    of_ring = items[held.where(held != NO_TRACK, 0)]  # (A, P, E)
    parts = zip(found.tracks.chunk(len(tastes)), found.scores.chunk(len(tastes)), tastes, terms, strict=True)
    lists = []
    for tracks, cosines, taste, of_places in parts:
        is_held = (tracks[:, :, None] == held[:, None, :]).any(2)  # (A, n)
        scores = [cosines.masked_fill(is_held, -torch.inf), (of_ring * taste[:, None]).sum(2) + of_places]
        together = torch.cat([tracks, held.masked_fill(held == NO_TRACK, -1)], dim=1)
        lists.append(best_of(together, torch.cat(scores, dim=1).masked_fill(together < 0, -torch.inf), num))
    return Best(*(torch.stack(columns) for columns in zip(*lists, strict=True)))


def _merged(found: Best, items: Tensor, tastes: Tensor, ring: tuple[Tensor, Tensor], num: int) -> Best:
    """Merge on a CPU, as `shortlists` does elsewhere."""
    shape = (*tastes.shape[:2], found.tracks.shape[1])
    lists = found.tracks.reshape(shape).numpy(), found.scores.reshape(shape).numpy()
    held, terms = (tensor.contiguous().numpy() for tensor in ring)
    merged = merge(lists, (held, terms), tastes.contiguous().numpy(), items.numpy(), num)
    return Best(*map(torch.from_numpy, merged))


def best_of(tracks: Tensor, scores: Tensor, num: int) -> Best:
    """Sort tracks (A, n), distinct but for empty ones with the score -inf, and keep the best."""
    tracks, order = tracks.sort(dim=1)  # the lower track first among equals: the next sort keeps their order
    scores, order = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
    tracks, scores = tracks.gather(1, order)[:, :num], scores[:, :num]
    return Best(tracks.masked_fill(scores == -torch.inf, -1), scores)
