"""Transitions: how often one track was played soon after another, as Markov chains and sequential rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.evaluation.baselines.queries import decayed_query
from models.plays.catalogue import FIRST_TRACK
from models.plays.cooccurrence import follower_counts, row_shares
from models.plays.split import Split


@dataclass(frozen=True, slots=True)
class Transitions:
    """Recommend the tracks that followed the listener's latest tracks before T1.

    Attributes:
        reach: up to how many plays later a play counts, as 1 / distance; 1: a first-order Markov chain.
        num_plays: how many of the listener's latest plays are used.
        decay: weight of a play relative to the next one.

    Source: Ludewig and Jannach 2018 (MC and SR, which use the current track only).
    """

    reach: int = 10
    num_plays: int = 5
    decay: float = 0.6

    def fit(self, split: Split) -> CountedTransitions:
        """Count how often one track followed another in a listener's plays."""
        histories, _ = split.training_histories()
        tracks = split.catalogue.rows(histories.track_keys) - FIRST_TRACK
        counts = follower_counts(tracks, histories.listeners(), len(split.catalogue), reach=self.reach)
        return CountedTransitions(self, row_shares(counts))


@dataclass(frozen=True, slots=True)
class CountedTransitions:
    """The shares of each track's followers.

    Attributes:
        method: how they are used.
        shares: float32 (M, M), of the tracks that followed each track; a row sums to 1, or to 0 if none did.
    """

    method: Transitions
    shares: csr_array

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score by the tracks that followed the latest ones."""
        return decayed_query(split, anchors, self.method.num_plays, self.method.decay) @ self.shares
