"""The first stage of a CPU: every track is scored by its rounded vector, and the best of them exactly."""

from __future__ import annotations

from copy import copy
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled
from models.serving.first_stage import ExactFirstStage
from models.serving.moments import Best
from models.serving.rounded import RoundedVectors, largest_exact_code, multiply, multiply_few, round_vectors, slacks_of
from models.serving.rounded_selection import Block, Kept, keep_best, nothing_kept, take_best
from models.serving.withdrawn import Withdrawn

_ANCHORS: Final = 64  # of a block: with fewer, products take longer; scores of more would not fit the cache
_FEW_ANCHORS: Final = 4  # of both horizons
_TRACKS: Final = 8176  # groups of 16 are strided by an odd number, or members would share a set of the cache
_LEAST_TRACKS: Final = 32  # for each one wanted; with fewer, too many are close to the best

#: A product of a withdrawn track, and the step of its codes: a score far below that of any track.
_SUNK_PRODUCT: Final = -1
_SUNK_STEP: Final = np.float32(3e38)


class RoundedFirstStage:
    """Finds the same tracks as `ExactFirstStage`, on a CPU, in a third of the time.

    Args:
        items: float32 (M, E), unit vectors, on the CPU.
    """

    def __init__(self, items: Tensor) -> None:
        self._exact = ExactFirstStage(items)
        self._items = items.numpy()
        self._largest_code = largest_exact_code()
        self._rounded = RoundedVectors.of(self._items, self._largest_code)
        self._codes = torch.from_numpy(self._rounded.codes).T  # (E, M)
        self._error = self._rounded.errors.max(initial=0)
        self._withdrawn = np.empty(0, np.int64)

    def without(self, withdrawn: Withdrawn) -> RoundedFirstStage:
        """Return one that finds other tracks only; it has steps of its own, four bytes a track."""
        steps = self._rounded.steps.copy()
        steps[withdrawn.tracks] = _SUNK_STEP
        other, rounded = copy(self), self._rounded._replace(steps=steps)
        vars(other).update(_exact=self._exact.without(withdrawn), _rounded=rounded, _withdrawn=withdrawn.tracks)
        return other

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find the best tracks, a block of anchors at a time."""
        if len(self._items) - len(self._withdrawn) < num * _LEAST_TRACKS:
            return self._exact.best(tastes, num)
        tastes = tastes.contiguous()
        tracks, cosines = torch.empty(len(tastes), num, dtype=torch.int64), torch.empty(len(tastes), num)
        if len(tastes) <= _FEW_ANCHORS:
            self._find_few(tastes, Best(tracks, cosines))
            return Best(tracks, cosines)
        for begin in range(0, len(tastes), _ANCHORS):
            part = slice(begin, begin + _ANCHORS)
            self._find(tastes[part], Best(tracks[part], cosines[part]))
        return Best(tracks, cosines)

    def _find(self, tastes: Tensor, found: Best) -> None:
        """Fill the lists of a block of anchors."""
        num = found.tracks.shape[1]
        rounded = RoundedVectors.of(tastes.numpy(), self._largest_code)
        codes = torch.from_numpy(rounded.codes)
        kept = Kept.nothing(slacks_of(rounded.errors, self._error), num)
        for first in range(0, len(self._items), _TRACKS):
            block = slice(first, first + _TRACKS)
            products = multiply(codes, self._codes[:, block]).numpy()
            begin, end = np.searchsorted(self._withdrawn, (first, first + _TRACKS))
            if begin < end:
                products[:, self._withdrawn[begin:end] - first] = _SUNK_PRODUCT
            keep_best(Block(products, self._rounded.steps[block], rounded.steps, first), num, kept)
        take_best(kept, tastes.numpy(), self._items, found.tracks.numpy(), found.scores.numpy())
        self._find_exactly(np.flatnonzero(kept.is_crowded), tastes, found)

    def _find_few(self, tastes: Tensor, found: Best) -> None:
        """Fill the lists of few anchors, in one call: between calls more time would pass than in them."""
        lists = found.tracks.numpy(), found.scores.numpy()
        rounding = self._largest_code, self._error
        crowded = _find_few(tastes.numpy(), self._items, self._rounded, rounding, self._withdrawn, lists)
        self._find_exactly(crowded, tastes, found)

    def _find_exactly(self, anchors: NDArray[np.int64], tastes: Tensor, found: Best) -> None:
        """Fill the lists of some anchors once more."""
        if anchors.size:
            best = self._exact.best(tastes[anchors], found.tracks.shape[1])
            found.tracks[anchors], found.scores[anchors] = best.tracks, best.scores


@compiled
def _find_few(  # noqa: PLR0917  a kernel takes arrays
    tastes: NDArray[np.float32],
    items: NDArray[np.float32],
    rounded: RoundedVectors,
    rounding: tuple[int, np.float32],
    withdrawn: NDArray[np.int64],
    lists: tuple[NDArray[np.int64], NDArray[np.float32]],
) -> NDArray[np.int64]:
    """Fill the lists of A anchors but the crowded ones, and return those.

    Args:
        tastes: float32 (A, E).
        items: float32 (M, E).
        rounded: the items.
        rounding: the largest code, and the largest error of the items.
        withdrawn: tracks, int64 (W,), rising.
        lists: tracks int64 (A, k) and cosines float32 (A, k), written.
    """
    num, k = len(tastes), lists[0].shape[1]
    of_tastes = RoundedVectors(np.empty(tastes.shape, np.int8), np.empty(num, np.float32), np.empty(num, np.float32))
    round_vectors(tastes, rounding[0], of_tastes)
    kept = nothing_kept(slacks_of(of_tastes.errors, rounding[1]), k)
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
