"""Item kNN: tracks played in the same sessions as the listener's latest tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.evaluation.baselines.queries import decayed_query
from models.evaluation.baselines.sessions import training_sessions
from models.plays.cooccurrence import session_cosines
from models.plays.split import Split


@dataclass(frozen=True, slots=True)
class ItemKnn:
    """Recommend the nearest tracks by cosine between the sessions they were played in.

    Attributes:
        decay: weight of a listener's play relative to the next one.
        shrinkage: sessions added to those of every track, so that rare ones are not close by chance.
        num_plays: how many of the listener's latest plays are used.

    Source: Sarwar et al. 2001; with sessions and a regulariser, Hidasi et al. 2016 (Item-KNN, which uses the current
    track only).
    """

    decay: float
    shrinkage: float = 5
    num_plays: int = 20

    def fit(self, split: Split) -> TrackNeighbours:
        """Compute how close every two tracks are."""
        return TrackNeighbours(self, session_cosines(training_sessions(split).tracks, shrinkage=self.shrinkage))


@dataclass(frozen=True, slots=True)
class TrackNeighbours:
    """How close tracks are.

    Attributes:
        method: how the cosines are used.
        cosines: float32 (M, M), 0 on the diagonal.
    """

    method: ItemKnn
    cosines: csr_array

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score by the closeness to the latest plays."""
        return decayed_query(split, anchors, self.method.num_plays, self.method.decay) @ self.cosines
