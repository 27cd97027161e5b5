"""What a step works on: states, plays, and the anchors after which it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.plays.counts import CountMaps
from models.plays.histories import Histories


@dataclass(frozen=True, slots=True)
class StepInput:
    """What a step works on: B listeners with P plays, A anchors.

    Attributes:
        hidden: float32 (B, H), before the first play to be folded.
        histories: the plays; those already folded in front (what the ring remembers), new ones behind.
        fold_from: int64 (B,), how many leading plays of each listener are in `hidden` already. 0 rebuilds: hidden is
            zeros and every play is folded.
        counts: of the B listeners, before the first play to be counted.
        count_from: int64 (B,), how many leading plays of each are in `counts` already; a rebuild leaves them there.
        anchors: int64 (A,), rising indices into the P plays; an answer is given after each. None may lie before the
            last play already folded, whose state is gone.
    """

    hidden: NDArray[np.float32]
    histories: Histories
    fold_from: NDArray[np.int64]
    counts: CountMaps
    count_from: NDArray[np.int64]
    anchors: NDArray[np.int64]

    @classmethod
    def from_nothing(cls, histories: Histories, anchors: NDArray[np.int64], *, num_hidden: int) -> Self:
        """Lay out whole histories: nothing of them is folded or counted yet."""
        num, nothing = histories.num_listeners, np.zeros(histories.num_listeners, np.int64)
        hidden = np.zeros((num, num_hidden), np.float32)
        return cls(hidden, histories, nothing, CountMaps.empty(num), nothing, anchors)
