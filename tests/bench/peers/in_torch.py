"""The recommender in plain torch, without the loops that Refrain compiles for a CPU."""

from __future__ import annotations

from functools import cached_property

from models.serving.first_stage import ExactFirstStage
from models.serving.recommender import Recommender


class TorchRecommender(Recommender):
    """Runs on a CPU what a GPU runs: the GRU, the first stage over all tracks, the candidates and the second stage.

    Its lists are those of `Recommender`. What lies around the network stays Refrain's own, compiled: finding tracks,
    features of plays, rings, counts, and merging the ring into the shortlist.
    """

    @classmethod
    def of(cls, recommender: Recommender) -> TorchRecommender:
        """Take the parts of a recommender; there is no index."""
        return cls(recommender.network, recommender.catalogue, recommender.reranker)

    @cached_property
    def compiled_network(self) -> None:
        """Nothing: torch folds and reads."""
        return

    @cached_property
    def compiled_reranker(self) -> None:
        """Nothing: torch ranks."""
        return

    @cached_property
    def first_stage(self) -> ExactFirstStage:
        """A product of matrices, and its top k."""
        return ExactFirstStage(self.items)
