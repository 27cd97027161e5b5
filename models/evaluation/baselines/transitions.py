"""Transitions: which track was played soon after which, first-order Markov chains and sequential rules."""

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
    """Recommend what came after the latest tracks before T1.

    Attributes:
        reach: up to how many plays later a play counts, as 1 / distance; 1: a first-order Markov chain.
        num_plays: how many of the listener's latest plays are asked.
        decay: weight of a play beside that of the next one.

    Source: Ludewig and Jannach 2018 (MC and SR, which ask the current track only).
    """

    reach: int = 10
    num_plays: int = 5
    decay: float = 0.6

    def fit(self, split: Split) -> CountedTransitions:
        """Count which plays of a listener followed which."""
        histories, _ = split.training_histories()
        tracks = split.catalogue.rows(histories.track_keys) - FIRST_TRACK
        counts = follower_counts(tracks, histories.listeners(), len(split.catalogue), reach=self.reach)
        return CountedTransitions(self, row_shares(counts))


@dataclass(frozen=True, slots=True)
class CountedTransitions:
    """What followed what.

    Attributes:
        method: how it is asked.
        shares: float32 (M, M), of what came after each track; a row adds up to 1, or to 0 where nothing did.
    """

    method: Transitions
    shares: csr_array

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score by what came after the latest plays."""
        return decayed_query(split, anchors, self.method.num_plays, self.method.decay) @ self.shares
