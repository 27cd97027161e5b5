"""The recommender: a network over its catalogue, and the second stage that re-ranks its lists."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.serving.reranker import Reranker


@dataclass(frozen=True, slots=True)
class Recommender:
    """Everything a step needs besides listeners.

    Attributes:
        network: in eval mode; its device is that of the step.
        catalogue: the network's tracks.
        reranker: the second stage, on the network's device; absent: the network's own ranking is final.
    """

    network: Network
    catalogue: Catalogue
    reranker: Reranker | None = None

    def to(self, device: torch.device | str) -> Recommender:
        """Move it to a device."""
        reranker = self.reranker
        return Recommender(self.network.to(device), self.catalogue, None if reranker is None else reranker.to(device))
