"""The first stage of a CPU in large catalogues: an index says which tracks are worth scoring."""

from __future__ import annotations

from copy import copy
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.serving.first_stage import ExactFirstStage
from models.serving.list_scan import Lists, Visits, scan, score_centroids
from models.serving.moments import Best
from models.serving.rounded_selection import Kept, take_best
from models.serving.track_index import BLOCK, NO_TRACK, TrackIndex
from models.serving.withdrawn import Withdrawn

_SHARE: Final = 16  # one in so many lists is visited, within these limits
_LEAST_VISITS: Final = 32
_MOST_VISITS: Final = 64
_SLACK: Final = 2.0  # of the largest steps; the errors of two cosines differ by half a step in the mean
_NEAREST: Final = 2  # lists that are scanned before the others, so that fewer tracks seem good meanwhile


class IndexedFirstStage:
    """Finds the best tracks of the lists whose centroids are closest to a taste vector: most of the best of all.

    What it finds depends on the taste vector alone, not on others of its batch.

    Args:
        index: of the items.
        items: float32 (M, E), unit vectors, on the CPU.
    """

    def __init__(self, index: TrackIndex, items: Tensor) -> None:
        self._exact = ExactFirstStage(items)
        self._items = items.numpy()
        self._lists = Lists(*(tensor.numpy() for tensor in (index.starts, index.tracks, index.codes, index.steps)))
        self._num_lists = len(index.centroids)
        padded = functional.pad(index.centroids, (0, 0, 0, -self._num_lists % BLOCK))
        self._centroids = padded.view(-1, BLOCK, items.shape[1]).transpose(1, 2).contiguous().numpy()
        self._num_visits = min(self._num_lists, max(_LEAST_VISITS, min(_MOST_VISITS, self._num_lists // _SHARE)))
        self._slack = np.float32(_SLACK * index.steps.max())
        self._num_left = len(items)

    def without(self, withdrawn: Withdrawn) -> IndexedFirstStage:
        """Return one that finds other tracks only: their places in the lists are empty, four bytes a track."""
        tracks = self._lists.tracks
        is_empty = withdrawn.marks[tracks]  # a place that was empty stays so, whatever is read there
        lists = self._lists._replace(tracks=np.where(is_empty, np.int32(NO_TRACK), tracks))
        other, num_left = copy(self), len(self._items) - len(withdrawn.tracks)
        vars(other).update(_exact=self._exact.without(withdrawn), _lists=lists, _num_left=num_left)
        return other

    def best(self, tastes: Tensor, num: int) -> Best:
        """Find most of the best tracks, and never fewer than there are: else every track is scored."""
        vectors = tastes.contiguous().numpy()
        kept = Kept.nothing(np.full(len(vectors), self._slack), num)
        lists, scores = self._nearest(vectors)
        for part in (slice(0, _NEAREST), slice(_NEAREST, None)):
            scan(self._lists, _visits(lists[:, part], scores[:, part]), vectors, num, kept)
        tracks, cosines = torch.empty(len(tastes), num, dtype=torch.int64), torch.empty(len(tastes), num)
        take_best(kept, vectors, self._items, tracks.numpy(), cosines.numpy())
        is_short = tracks[:, min(num, self._num_left) - 1].numpy() < 0
        if (missed := np.flatnonzero(kept.is_crowded | is_short)).size:
            best = self._exact.best(tastes[missed], num)
            tracks[missed], cosines[missed] = best.tracks, best.scores
        return Best(tracks, cosines)

    def _nearest(self, tastes: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the lists to visit, nearest first: int64 and float32 (A, n)."""
        scores = np.empty((len(tastes), len(self._centroids) * BLOCK), np.float32)
        score_centroids(self._centroids, tastes, scores)
        values, lists = torch.from_numpy(scores)[:, : self._num_lists].topk(self._num_visits, dim=1)
        return lists.numpy(), values.numpy()


def _visits(lists: NDArray[np.int64], scores: NDArray[np.float32]) -> Visits:
    """Sort the visits of (A, n) lists by list, each list's by anchor."""
    order = np.argsort(lists, axis=None, kind="stable")
    return Visits(lists.ravel()[order], order // max(lists.shape[1], 1), scores.ravel()[order])
