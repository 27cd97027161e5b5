"""What answers: a network over its catalogue, and what re-ranks its lists."""

from __future__ import annotations

from dataclasses import dataclass

from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.serving.reranker import Reranker


@dataclass(frozen=True, slots=True)
class Recommender:
    """Everything a step needs besides listeners.

    Attributes:
        network: in eval mode; decides the device.
        catalogue: its tracks.
        reranker: the second stage, on the network's device; absent: the network's own ranking counts.
    """

    network: Network
    catalogue: Catalogue
    reranker: Reranker | None = None
