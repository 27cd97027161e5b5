"""The item vectors of a network: as they are trained, and as a release holds them.

A track is ranked by the direction of its vector alone; the recurrence also reads its length. A release therefore holds
unit vectors and lengths, so that nothing is normalised when it is served.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.plays.catalogue import FIRST_TRACK, PAD

_NORMALISED_AT_ONCE: Final = 1 << 16


class TrainedItems(nn.Embedding):
    """The item vectors of a network that may be trained.

    Args:
        num_tracks: M.
        size: E.
    """

    def __init__(self, num_tracks: int, size: int) -> None:
        super().__init__(num_tracks + FIRST_TRACK, size, padding_idx=PAD)

    def units(self) -> Tensor:
        """Compute the tracks' unit vectors, float32 (M, E)."""
        return functional.normalize(self.weight[FIRST_TRACK:], dim=1)


class ReleasedItems(nn.Module):
    """The item vectors of a network that is only served; E floats each, and a length.

    Args:
        unit_vectors: float32 (M + 2, E); zeros where a vector is zero.
        lengths: float32 (M + 2,).
    """

    unit_vectors: Tensor
    lengths: Tensor

    def __init__(self, unit_vectors: Tensor, lengths: Tensor) -> None:
        super().__init__()
        self.register_buffer("unit_vectors", unit_vectors)
        self.register_buffer("lengths", lengths)

    @classmethod
    def of(cls, vectors: Tensor) -> ReleasedItems:
        """Split vectors, float32 (M + 2, E), a part at a time."""
        lengths, units = torch.empty(len(vectors), device=vectors.device), torch.empty_like(vectors)
        for begin in range(0, len(vectors), _NORMALISED_AT_ONCE):
            part = slice(begin, begin + _NORMALISED_AT_ONCE)
            lengths[part] = vectors[part].norm(dim=1)
            units[part] = functional.normalize(vectors[part], dim=1)
        return cls(units, lengths)

    @property
    def weight(self) -> Tensor:
        """The vectors as they were trained, computed at each call: float32 (M + 2, E)."""
        return self.unit_vectors * self.lengths[:, None]

    def forward(self, rows: Tensor) -> Tensor:
        """Look up vectors: int64 of any shape to float32 with E behind it."""
        return self.unit_vectors[rows] * self.lengths[rows][..., None]

    def units(self) -> Tensor:
        """Return the tracks' unit vectors, float32 (M, E); nothing is computed."""
        return self.unit_vectors[FIRST_TRACK:]
