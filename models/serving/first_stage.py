"""The first stage: the tracks that point where a taste vector points."""

from __future__ import annotations

from typing import Final, Protocol

import torch
from torch import Tensor

from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.moments import Best
from models.serving.ranking import top_k
from models.serving.withdrawn import Withdrawn

_MAX_SCORES: Final = {"cpu": 1 << 21, "cuda": 1 << 26}  # at once: 8 MiB, which fits into a CPU's cache; 256 MiB


class FirstStage(Protocol):
    """Finds the tracks whose unit vectors have the highest cosines with taste vectors."""

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find the best tracks, with their cosines as scores.

        Args:
            tastes: float32 (A, E), unit vectors.
            num: tracks wanted.
        """

    def without(self, withdrawn: Withdrawn) -> FirstStage:
        """Return one that finds other tracks only, and shares all that is large."""


class ExactFirstStage:
    """Scores every track.

    Args:
        items: float32 (M, E), unit vectors.
        withdrawn: tracks that are not found.
    """

    def __init__(self, items: Tensor, withdrawn: Withdrawn | None = None) -> None:
        self._items = items
        self._withdrawn = withdrawn

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find the best tracks, a slice of the anchors at a time."""
        slice_size = max(1, _MAX_SCORES[tastes.device.type] // len(self._items))
        found = [top_k(self._score(part), num) for part in torch.split(tastes, slice_size)]
        rows, cosines = (torch.cat(columns) for columns in zip(*found, strict=True))
        return Best((rows - FIRST_TRACK).masked_fill(rows == PAD, -1), cosines)

    def without(self, withdrawn: Withdrawn) -> ExactFirstStage:
        """Return one that finds other tracks only."""
        return ExactFirstStage(self._items, withdrawn)

    def _score(self, tastes: Tensor) -> Tensor:
        """Score every track: float32 (A, M), -inf where one is withdrawn."""
        scores = tastes @ self._items.T
        return scores if self._withdrawn is None else scores.masked_fill_(self._withdrawn.marks_there, -torch.inf)
