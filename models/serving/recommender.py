"""The recommender: a network over its catalogue, and the second stage that re-ranks its lists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.networks.network import Network, TasteNetwork
from models.plays.catalogue import Catalogue
from models.serving.compiled_network import CompiledNetwork
from models.serving.compiled_reranker import CompiledReranker
from models.serving.first_stage import ExactFirstStage, FirstStage
from models.serving.reranker import Reranker
from models.serving.rounded_first_stage import RoundedFirstStage


@dataclass(frozen=True)
class Recommender:
    """Everything a step needs besides listeners.

    Attributes:
        network: in eval mode, with its final weights; its device is that of the step.
        catalogue: the network's tracks.
        reranker: the second stage, on the network's device; absent: the network's own ranking is final.
    """

    network: Network
    catalogue: Catalogue
    reranker: Reranker | None = None

    @cached_property
    def compiled_network(self) -> CompiledNetwork | None:
        """What folds and reads instead of the network: on a CPU, Refrain's own architecture."""
        network = self.network
        if isinstance(network, TasteNetwork) and network.device.type == "cpu":
            return CompiledNetwork.of(network)
        return None

    @cached_property
    def compiled_reranker(self) -> CompiledReranker | None:
        """What ranks instead of the second stage, if there is one: on a CPU."""
        if self.reranker is None or self.network.device.type != "cpu":
            return None
        return CompiledReranker(self.reranker, self.items, self.network.temperature)

    def to(self, device: torch.device | str) -> Recommender:
        """Move it to a device."""
        reranker = self.reranker
        return Recommender(self.network.to(device), self.catalogue, None if reranker is None else reranker.to(device))

    @cached_property
    def items(self) -> Tensor:
        """The tracks' unit vectors, float32 (M, E): normalised once, which takes 150 ms for a million tracks."""
        with torch.inference_mode():
            return self.network.items().contiguous()

    @cached_property
    def first_stage(self) -> FirstStage:
        """What finds tracks by their vectors: the same ones on a CPU as on a GPU."""
        return RoundedFirstStage(self.items) if self.items.device.type == "cpu" else ExactFirstStage(self.items)
