"""The first stage of a CPU: every track is scored by its rounded vector, and the best of them exactly.

Torch multiplies many anchors, in the type that suits the processor (`quick_code_type`). Our own kernel multiplies
few, in int8, which it is quick with on every processor.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled
from models.serving.first_stage import ExactFirstStage
from models.serving.moments import Best
from models.serving.rounded import (
    RoundedVectors,
    leave_unrounded,
    multiply,
    multiply_few,
    quick_code_type,
    round_vectors,
    slacks_of,
)
from models.serving.rounded_selection import Block, Kept, keep_best, nothing_kept, take_best
from models.serving.withdrawn import Withdrawn

_ANCHORS: Final = 64  # of a block: with fewer, products take longer; scores of more would not fit the cache
_FEW_ANCHORS: Final = {torch.int8: 4, torch.float32: 8}  # of both horizons, by the type of the codes of many
_TRACKS: Final = 8176  # groups of 16 are strided by an odd number, or members would share a set of the cache
_LEAST_TRACKS: Final = 32  # for each one wanted; with fewer, too many are close to the best

#: A product of a withdrawn track, and the step of its codes: a score far below that of any track.
_SUNK_PRODUCT: Final = -1
_SUNK_STEP: Final = np.float32(3e38)


_Rounded: TypeAlias = "RoundedVectors[np.int8] | RoundedVectors[np.float32]"
_Round: TypeAlias = "Callable[[NDArray[np.float32]], _Rounded]"


class RoundedFirstStage:
    """Finds the same tracks as `ExactFirstStage`, on a CPU, in a third of the time.

    Args:
        items: float32 (M, E), unit vectors, on the CPU.
        code_type: torch.int8 or torch.float32, of the codes that many anchors are multiplied with; absent: what this
            processor multiplies sooner. Both find the same tracks.
    """

    def __init__(self, items: Tensor, code_type: torch.dtype | None = None) -> None:
        self._exact = ExactFirstStage(items)
        self._items = items.numpy()
        self._rounded = round_vectors(self._items)
        self._error = self._rounded.errors.max(initial=0)
        code_type = code_type or quick_code_type()
        self._round: _Round = round_vectors if code_type == torch.int8 else leave_unrounded
        self._of_many = self._rounded if code_type == torch.int8 else self._round(self._items)
        self._num_few = _FEW_ANCHORS[code_type]
        self._withdrawn = np.empty(0, np.int64)

    def without(self, withdrawn: Withdrawn) -> RoundedFirstStage:
        """Return one that finds other tracks only; it has steps of its own, eight bytes a track."""
        other, tracks = copy(self), withdrawn.tracks
        rounded, of_many = _sunk(self._rounded, tracks), _sunk(self._of_many, tracks)
        vars(other).update(_exact=self._exact.without(withdrawn), _rounded=rounded, _of_many=of_many, _withdrawn=tracks)
        return other

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find the best tracks, a block of anchors at a time."""
        if len(self._items) - len(self._withdrawn) < num * _LEAST_TRACKS:
            return self._exact.best(tastes, num)
        tastes = tastes.contiguous()
        tracks, cosines = torch.empty(len(tastes), num, dtype=torch.int64), torch.empty(len(tastes), num)
        if len(tastes) <= self._num_few:
            self._find_few(tastes, Best(tracks, cosines))
            return Best(tracks, cosines)
        for begin in range(0, len(tastes), _ANCHORS):
            part = slice(begin, begin + _ANCHORS)
            self._find(tastes[part], Best(tracks[part], cosines[part]))
        return Best(tracks, cosines)

    def _find(self, tastes: Tensor, found: Best) -> None:
        """Fill the lists of a block of anchors."""
        num = found.tracks.shape[1]
        rounded, others = self._round(tastes.numpy()), self._of_many
        codes, other_codes = torch.from_numpy(rounded.codes), torch.from_numpy(others.codes).T  # (E, M)
        kept = Kept.nothing(slacks_of(rounded.errors, others.errors.max()), num)
        for first in range(0, len(self._items), _TRACKS):
            block = slice(first, first + _TRACKS)
            products = multiply(codes, other_codes[:, block]).numpy()
            begin, end = np.searchsorted(self._withdrawn, (first, first + _TRACKS))
            if begin < end:
                products[:, self._withdrawn[begin:end] - first] = _SUNK_PRODUCT
            keep_best(Block(products, others.steps[block], rounded.steps, first), num, kept)
        take_best(kept, tastes.numpy(), self._items, found.tracks.numpy(), found.scores.numpy())
        self._find_exactly(np.flatnonzero(kept.is_crowded), tastes, found)

    def _find_few(self, tastes: Tensor, found: Best) -> None:
        """Fill the lists of few anchors, in one call: between calls more time would pass than in them."""
        lists = found.tracks.numpy(), found.scores.numpy()
        crowded = _find_few(tastes.numpy(), self._items, self._rounded, self._error, self._withdrawn, lists)
        self._find_exactly(crowded, tastes, found)

    def _find_exactly(self, anchors: NDArray[np.int64], tastes: Tensor, found: Best) -> None:
        """Fill the lists of some anchors once more."""
        if anchors.size:
            best = self._exact.best(tastes[anchors], found.tracks.shape[1])
            found.tracks[anchors], found.scores[anchors] = best.tracks, best.scores


def _sunk(rounded: _Rounded, tracks: NDArray[np.int64]) -> _Rounded:
    """Give some tracks a step that sinks their scores; the others share all but their steps."""
    steps = rounded.steps.copy()
    steps[tracks] = _SUNK_STEP
    return rounded._replace(steps=steps)


@compiled
def _find_few(  # noqa: PLR0917  a kernel takes arrays
    tastes: NDArray[np.float32],
    items: NDArray[np.float32],
    rounded: RoundedVectors[np.int8],
    error: np.float32,
    withdrawn: NDArray[np.int64],
    lists: tuple[NDArray[np.int64], NDArray[np.float32]],
) -> NDArray[np.int64]:
    """Fill the lists of A anchors but the crowded ones, and return those.

    Args:
        tastes: float32 (A, E).
        items: float32 (M, E).
        rounded: the items.
        error: the largest of the items.
        withdrawn: tracks, int64 (W,), rising.
        lists: tracks int64 (A, k) and cosines float32 (A, k), written.
    """
    num, k = len(tastes), lists[0].shape[1]
    of_tastes = round_vectors(tastes)
    kept = nothing_kept(slacks_of(of_tastes.errors, error), k)
    num_sunk = 0
    for first in range(0, len(items), _TRACKS):
        steps = rounded.steps[first : first + _TRACKS]
        products = np.empty((num, len(steps)), np.int32)
        multiply_few(of_tastes.codes, rounded.codes, first, products)
        while num_sunk < len(withdrawn) and withdrawn[num_sunk] < first + len(steps):
            products[:, withdrawn[num_sunk] - first] = _SUNK_PRODUCT
            num_sunk += 1
        keep_best(Block(products, steps, of_tastes.steps, first), k, kept)
    take_best(kept, tastes, items, lists[0], lists[1])
    return np.flatnonzero(kept.nums < 0)
