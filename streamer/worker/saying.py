"""What is said: a list that hardly differs from the last one its listener was sent need not be sent again.

Lists change little from one play to the next. If an operator names a share of overlap, a list of which at least that
share of tracks was in the last published list of the same horizon is not published, and the earlier one stays in force.
The comparison is with what was last published, not with what was last computed, so that small changes add up.

The last lists are part of the state, as 32 bits of the key of each track: they are committed together with the answers
they describe, survive crashes and releases, and do not depend on how plays were batched. Two tracks of one list share
their 32 bits once in some million lists; then a list counts as a little more alike than it is.

A list that holds a withdrawn track does not stay in force: the listener's next list is published.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.step import Ranked
from streamer.worker.batch import Batch
from streamer.worker.narrowing import NOTHING

Marks = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Said:
    """Which of the A lists of each horizon are published, and what their listeners then know.

    Attributes:
        published: bool (horizons, A).
        remembered: uint32 (R, S), the marks of the last published lists of each life.
    """

    published: NDArray[np.bool_]
    remembered: Marks


@dataclass(frozen=True, slots=True)
class Saying:
    """Chooses the lists to publish.

    Attributes:
        overlap: share of its tracks in the last published list from which a list is left out; 0 publishes all.
        sizes: of the lists, by horizon.
    """

    overlap: float
    sizes: Sequence[int]

    @property
    def num_marks(self) -> int:
        """S: how many tracks a state remembers of the last lists; none if every list is published."""
        return sum(self.sizes) if self.overlap > 0 else 0

    def choose(
        self,
        batch: Batch,
        answered: NDArray[np.int64],
        ranked: Sequence[Ranked],
        keys: NDArray[np.uint64],
        withdrawn: NDArray[np.uint64] = NOTHING,
    ) -> Said:
        """Compare each list with the last one before it that was published.

        Args:
            batch: R lives.
            answered: int64 (A,), ascending indices of the batch's new plays: a life's are in order.
            ranked: one per horizon, of the A plays.
            keys: uint64 (M,), of the catalogue's tracks.
            withdrawn: uint64 (W,), rising, keys of withdrawn tracks.
        """
        published = np.ones((len(ranked), len(answered)), np.bool_)
        remembered = batch.base.said.copy()
        if self.num_marks:
            rows, first, obsolete = batch.row[answered], 0, _marks_of(withdrawn)
            for number, (lists, size) in enumerate(zip(ranked, self.sizes, strict=True)):
                last, marks = remembered[:, first : first + size], _marks(lists.rows, keys)
                if len(obsolete):
                    last[_holds(last, obsolete)] = 0  # as if none had been published
                choose_lists(published[number], remembered, first, size, rows, marks, self.overlap)
                first += size
        return Said(published, remembered)


def _marks(rows: NDArray[np.int64], keys: NDArray[np.uint64]) -> Marks:
    """Return the upper 32 bits of each track's key, 0 in empty places: uint32 (A, k)."""
    marks = _marks_of(keys[np.maximum(rows - FIRST_TRACK, 0)])
    return np.where(rows == PAD, np.uint32(0), marks)


def _marks_of(keys: NDArray[np.uint64]) -> Marks:
    return np.maximum((keys >> np.uint64(32)).astype(np.uint32), np.uint32(1))


def _holds(lists: Marks, marks: Marks) -> NDArray[np.bool_]:
    """Say which of L lists hold one of W marks, which rise, by binary search: `np.isin` would sort them each time."""
    places = np.searchsorted(marks, lists)  # (L, k)
    found: NDArray[np.bool_] = np.equal(marks[np.minimum(places, len(marks) - 1)], lists)
    held: NDArray[np.bool_] = np.logical_or.reduce(found, axis=1)
    return held


@compiled
def choose_lists(  # noqa: PLR0917  a kernel takes arrays
    published: NDArray[np.bool_], remembered: Marks, first: int, size: int,
    rows: NDArray[np.int64], marks: Marks, overlap: float,
) -> None:  # fmt: skip
    """Decide list by list, and remember those that are published in `size` places from `first` on."""
    for answer in range(len(rows)):
        last = remembered[rows[answer], first : first + size]
        num_tracks = num_known = 0
        for mark in marks[answer]:
            if mark != 0:
                num_tracks += 1
                for known in last:
                    if known == mark:
                        num_known += 1
                        break
        published[answer] = num_tracks == 0 or num_known < overlap * num_tracks
        if published[answer]:
            last[: marks.shape[1]] = marks[answer]
            last[marks.shape[1] :] = 0
