"""Withdrawn tracks: what no list may hold, although the release knows it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Withdrawn(NamedTuple):
    """W of the M tracks of a release.

    Attributes:
        tracks: int64 (W,), rising.
        marks: bool (M,), where they are.
        marks_there: the same, on the device of the step.
    """

    tracks: NDArray[np.int64]
    marks: NDArray[np.bool_]
    marks_there: Tensor

    @classmethod
    def of(cls, tracks: NDArray[np.int64], num_tracks: int, device: torch.device) -> Self:
        """Mark distinct tracks, in any order."""
        marks = np.zeros(num_tracks, np.bool_)
        marks[tracks] = True
        return cls(np.flatnonzero(marks), marks, torch.from_numpy(marks).to(device))
