"""Popularity: the tracks played most, by all listeners or by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.evaluation.baselines.queries import decayed_query
from models.plays.split import Split


@dataclass(frozen=True, slots=True)
class Popularity:
    """Recommend the tracks played most before T1 to every listener."""

    def fit(self, split: Split) -> Popularity:  # noqa: ARG002 - the ranking counts
        """Learn nothing: tracks without a score are ranked by their plays before T1."""
        return self

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score no track."""
        return csr_array((len(anchors), len(split.catalogue)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class PersonalPopularity:
    """Recommend the tracks the listener played most, older plays counting less.

    Attributes:
        decay: weight of a play relative to the next one.
        num_plays: how many of the latest plays are counted.

    Source: Hu et al. 2020 (time-decayed personal frequency, TIFU-KNN); without decay, Li et al. 2023 (P-TopFreq).
    """

    decay: float
    num_plays: int = 2000

    def fit(self, split: Split) -> PersonalPopularity:  # noqa: ARG002 - only the listener's own plays are counted
        """Learn nothing."""
        return self

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score by decayed counts of the listener's own plays."""
        return decayed_query(split, anchors, self.num_plays, self.decay)
