"""The first stage: the tracks that point where a taste vector points."""

from __future__ import annotations

from typing import Final, Protocol

import torch
from torch import Tensor

from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.moments import Best
from models.serving.ranking import top_k

_MAX_SCORES: Final = {"cpu": 1 << 21, "cuda": 1 << 26}  # at once: 8 MiB, which fits into a CPU's cache; 256 MiB


class FirstStage(Protocol):
    """Finds the tracks whose unit vectors have the highest cosines with taste vectors."""

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find the best tracks, with their cosines as scores.

        Args:
            tastes: float32 (A, E), unit vectors.
            num: tracks wanted.
        """


class ExactFirstStage:
    """Scores every track.

    Args:
        items: float32 (M, E), unit vectors.
    """

    def __init__(self, items: Tensor) -> None:
        self._items = items

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find the best tracks, a slice of the anchors at a time."""
        slice_size = max(1, _MAX_SCORES[tastes.device.type] // len(self._items))
        found = [top_k(part @ self._items.T, num) for part in torch.split(tastes, slice_size)]
        rows, cosines = (torch.cat(columns) for columns in zip(*found, strict=True))
        return Best((rows - FIRST_TRACK).masked_fill(rows == PAD, -1), cosines)
