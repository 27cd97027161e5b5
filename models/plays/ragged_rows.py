"""Ragged rows: the neighbours of tracks or pairs, gathered group by group in bounded memory."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.plays.histories import bounds_of


class RaggedRows(NamedTuple):
    """Rows of neighbours, strongest first; among equals, the lower track first.

    Attributes:
        lengths: int32 (T,).
        tracks: int32 (N,).
        weights: float32 (N,), above 0.
    """

    lengths: NDArray[np.int32]
    tracks: NDArray[np.int32]
    weights: NDArray[np.float32]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each row begins, and the last one ends: int64 (T + 1,)."""
        return bounds_of(self.lengths.astype(np.int64))

    def cut(self, width: int) -> RaggedRows:
        """Keep the first neighbours of each row."""
        if self.lengths.max(initial=0) <= width:
            return self
        places = np.arange(len(self.tracks)) - np.repeat(self.starts[:-1], self.lengths)
        kept = places < width
        return RaggedRows(np.minimum(self.lengths, width).astype(np.int32), self.tracks[kept], self.weights[kept])

    def take(self, is_kept: NDArray[np.bool_]) -> RaggedRows:
        """Keep some rows: bool (T,)."""
        kept = np.repeat(is_kept, self.lengths)
        return RaggedRows(self.lengths[is_kept], self.tracks[kept], self.weights[kept])

    @classmethod
    def joined(cls, groups: list[RaggedRows]) -> Self:
        """Join groups of rows."""
        return cls(*map(np.concatenate, zip(*groups, strict=True)))


class BoundedRows:
    """Rows that together hold a bounded number of neighbours.

    If they would hold more, all rows are cut to the greatest width at which they fit, however they were grouped.

    Args:
        width: of a row, at first.
        max_entries: neighbours of all rows, unless every row is down to one.
    """

    def __init__(self, width: int, max_entries: int) -> None:
        self.width = width
        self._max_entries = max_entries
        self._groups = list[RaggedRows]()
        self._num_rows_of = np.zeros(width + 1, np.int64)  # by length

    def add(self, lengths: NDArray[np.int32], tracks: NDArray[np.int32], weights: NDArray[np.float32]) -> None:
        """Append the rows of the next tracks."""
        self._num_rows_of += np.bincount(lengths, minlength=len(self._num_rows_of))
        self._groups.append(RaggedRows(lengths, tracks, weights).cut(self.width))
        num_longer = self._num_rows_of[::-1].cumsum()[::-1][1:]  # rows that have an n-th neighbour, n = 1, 2, ...
        fitting = int(np.searchsorted(num_longer.cumsum(), self._max_entries, side="right"))
        if fitting < self.width:
            self.width = max(1, fitting)
            self._groups = [group.cut(self.width) for group in self._groups]

    def rows(self) -> RaggedRows:
        """Return all rows."""
        return RaggedRows.joined(self._groups)


class BoundedPairs:
    """Pairs of tracks and what followed them; if there are too many, only those that were followed often enough.

    Args:
        num_tracks: M.
        max_pairs: to keep.

    Attributes:
        least: times a pair must have been followed: the smallest number at which all of them fit.
    """

    def __init__(self, num_tracks: int, max_pairs: int) -> None:
        self.least = 1
        self._num_tracks = num_tracks
        self._max_pairs = max_pairs
        self._keys, self._times, self._groups = list[NDArray[np.int64]](), list[NDArray[np.int32]](), list[RaggedRows]()

    def add(
        self,
        begin: int,
        keys: NDArray[np.int64],
        times: NDArray[np.int32],
        rows: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    ) -> None:
        """Append the pairs of the next tracks, numbered from `begin`, as `count_pair_followers` returns them."""
        self._keys.append(((keys >> 31) + begin) * self._num_tracks + (keys & ((1 << 31) - 1)))
        self._times.append(times)
        self._groups.append(RaggedRows(*rows))
        while sum(map(len, self._keys)) > self._max_pairs:
            self.least += 1
            kept = [times >= self.least for times in self._times]
            self._keys = [keys[each] for keys, each in zip(self._keys, kept, strict=True)]
            self._times = [times[each] for times, each in zip(self._times, kept, strict=True)]
            self._groups = [group.take(each) for group, each in zip(self._groups, kept, strict=True)]

    def rows(self) -> RaggedRows:
        """Return what followed the U pairs."""
        return RaggedRows.joined(self._groups)

    def keys(self) -> NDArray[np.int64]:
        """Return the pairs: int64 (U,), rising, the earlier track * M + the later one."""
        return np.concatenate(self._keys)

    def times(self) -> NDArray[np.int32]:
        """Return how often each pair was followed: int32 (U,)."""
        return np.concatenate(self._times)
