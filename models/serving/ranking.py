"""Ranking: scores over the whole catalogue and the k best of them.

Tie rule: of two equal scores the lower row comes first, at the end of the list too.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK, PAD

_BLOCK: Final = 16  # scores that one maximum stands for


def score_tracks(
    network: Network, items: Tensor, read: Tensor, *, rows: Tensor, groups: Tensor, horizon: int
) -> Tensor:
    """Score every track for every anchor.

    A anchors, E embedding, R floats read of a state, W ring places, M tracks.

    Args:
        network: gives tastes and ring terms.
        items: float32 (M, E), from `Network.items`; made once for many slices of anchors.
        read: float32 (A, R), from `Network.read`.
        rows: int64 (A, W), the ring's distinct tracks, PAD in empty places.
        groups: int64 (A, W), see `RingWindows`.
        horizon: index of HORIZONS.

    Returns:
        float32 (A, M): cos(taste, item) + ring term / temperature, which ranks as the logit does.
    """
    scores = network.tastes(read, horizon) @ items.T  # (A, M)
    terms = network.ring_terms(read, groups, horizon) / network.temperature  # (A, W)
    terms = terms.masked_fill(rows == PAD, 0.0)
    return scores.scatter_add_(1, (rows - FIRST_TRACK).clamp(min=0), terms)


def mask_tracks(scores: Tensor, rows: Tensor) -> Tensor:
    """Leave tracks out: set the scores (A, M) of rows (A, W) to -inf in place; PAD masks nothing."""
    anchors, places = torch.nonzero(rows != PAD, as_tuple=True)
    scores[anchors, rows[anchors, places] - FIRST_TRACK] = -torch.inf
    return scores


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Take the k best tracks of each anchor, best first.

    Args:
        scores: float32 (A, M); -inf: never in a list.
        k: length of the lists, 1 or more.

    Returns:
        Rows int64 (A, k) and their scores float32 (A, k); PAD and -inf where fewer than k tracks are left.
    """
    num_tracks = scores.shape[1]
    if k >= num_tracks:
        return _padded(*_sorted(scores), k)
    values, places = largest(scores, k + 1)
    tied = values[:, k - 1] == values[:, k]  # which of the equals stand at the end is then not settled
    places, _ = places[:, :k].sort(dim=1)
    values, order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    places = places.gather(1, order)
    if tied.any():
        slow_values, slow_places = _sorted(scores[tied])
        values[tied], places[tied] = slow_values[:, :k], slow_places[:, :k]
    return _padded(values, places, k)


def _sorted(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Sort whole catalogues: the definition of the order, and slow."""
    values, places = scores.sort(dim=1, descending=True, stable=True)
    return values, places


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k largest values and where they are, equals in any order.

    In a large catalogue the maximum of every block is found first: what is not in one of the k blocks of the highest
    maxima has k values at or above it. At 10,000 tracks and k = 51 that takes 18 us instead of 30 on one thread.
    """
    num_blocks = scores.shape[1] // _BLOCK
    if num_blocks < 4 * k:
        return _top(scores, k)
    in_blocks = num_blocks * _BLOCK
    highest = scores[:, :in_blocks].reshape(-1, _BLOCK, num_blocks).amax(1)  # every num_blocks-th place
    blocks = highest.topk(k, dim=1, sorted=False).indices  # (A, k)
    strides = num_blocks * torch.arange(_BLOCK, device=scores.device)
    candidates = (blocks[:, :, None] + strides).flatten(1)  # (A, k * _BLOCK)
    rest = torch.arange(in_blocks, scores.shape[1], device=scores.device).expand(len(scores), -1)
    candidates = torch.cat([candidates, rest], dim=1)
    values, chosen = _top(scores.gather(1, candidates), k)
    return values, candidates.gather(1, chosen)


def _top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    values, places = scores.topk(k, dim=1)
    return values, places


def _padded(values: Tensor, places: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Turn places into rows, and fill up to k."""
    rows = torch.where(values == -torch.inf, PAD, places + FIRST_TRACK)
    missing = k - rows.shape[1]
    if missing > 0:
        rows = torch.nn.functional.pad(rows, (0, missing), value=PAD)
        values = torch.nn.functional.pad(values, (0, missing), value=-torch.inf)
    return rows, values
