"""The input of a step: states, plays, and the anchors after which it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.plays.counts import CountMaps
from models.plays.histories import Histories


@dataclass(frozen=True, slots=True)
class StepInput:
    """The input of a step: B listeners with P plays, A anchors.

    Two listeners; a remembers two plays, b one, and the state of b is rebuilt, because another release produced it:

        histories     a0  a1  a2 | b0  b1        new: a2 and b1
        fold_from     2            0             b is folded from its first play on, starting from zeros
        count_from    2            1             counts are never rebuilt
        anchors               2        4         after the new plays

    Attributes:
        hidden: float32 (B, H), before the first play to fold.
        histories: the plays of each listener: first those the ring remembers, then the new ones.
        fold_from: int64 (B,), how many leading plays of each listener `hidden` already contains. 0 in a rebuild: hidden
            is zeros, and every play is folded.
        counts: of the B listeners, before the first play to count.
        count_from: int64 (B,), how many leading plays of each listener `counts` already contains, also in a rebuild.
        anchors: int64 (A,), rising indices into the P plays; the step answers after each. None may lie before the last
            play already folded, whose state is gone.
    """

    hidden: NDArray[np.float32]
    histories: Histories
    fold_from: NDArray[np.int64]
    counts: CountMaps
    count_from: NDArray[np.int64]
    anchors: NDArray[np.int64]

    @classmethod
    def from_nothing(cls, histories: Histories, anchors: NDArray[np.int64], *, num_hidden: int) -> Self:
        """Lay out whole histories, of which nothing is folded or counted yet."""
        num, nothing = histories.num_listeners, np.zeros(histories.num_listeners, np.int64)
        hidden = np.zeros((num, num_hidden), np.float32)
        return cls(hidden, histories, nothing, CountMaps.empty(num), nothing, anchors)
