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
from models.serving.indexed_first_stage import IndexedFirstStage
from models.serving.reranker import Reranker
from models.serving.rounded_first_stage import RoundedFirstStage
from models.serving.track_index import TrackIndex


@dataclass(frozen=True)
class Recommender:
    """Everything a step needs besides listeners.

    Attributes:
        network: in eval mode, with its final weights; its device is that of the step.
        catalogue: the network's tracks.
        reranker: the second stage, on the network's device; absent: the network's own ranking is final.
        index: of the tracks, on the CPU, and used there only; absent: the first stage scores every track.
    """

    network: Network
    catalogue: Catalogue
    reranker: Reranker | None = None
    index: TrackIndex | None = None

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
        reranker = None if reranker is None else reranker.to(device)
        return Recommender(self.network.to(device), self.catalogue, reranker, self.index)

    @cached_property
    def items(self) -> Tensor:
        """The tracks' unit vectors, float32 (M, E): normalised once, which takes 150 ms for a million tracks."""
        with torch.inference_mode():
            return self.network.items().contiguous()

    @cached_property
    def first_stage(self) -> FirstStage:
        """What finds tracks by their vectors: all of the best ones, unless there is an index."""
        if self.index is not None and self.uses_index:
            return IndexedFirstStage(self.index, self.items)
        return RoundedFirstStage(self.items) if self.items.device.type == "cpu" else ExactFirstStage(self.items)

    @property
    def uses_index(self) -> bool:
        """Whether the first stage leaves tracks unscored."""
        return self.index is not None and self.network.device.type == "cpu"
