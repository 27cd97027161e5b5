"""The recommender: a network over its catalogue, and the second stage that re-ranks its lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.networks.network import Network, TasteNetwork
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue
from models.serving.compiled_network import CompiledNetwork
from models.serving.compiled_reranker import CompiledReranker
from models.serving.first_stage import ExactFirstStage, FirstStage
from models.serving.indexed_first_stage import IndexedFirstStage
from models.serving.reranker import Reranker
from models.serving.rounded_first_stage import RoundedFirstStage
from models.serving.track_index import TrackIndex
from models.serving.withdrawn import Withdrawn


@dataclass(frozen=True)
class Recommender:
    """Everything a step needs besides listeners.

    Attributes:
        network: in eval mode, with its final weights; its device is that of the step.
        catalogue: the network's tracks.
        reranker: the second stage, on the network's device; absent: the network's own ranking is final.
        index: of the tracks, on the CPU, and used there only; absent: the first stage scores every track.
        withdrawn: tracks that no list holds; a play of one counts as before. See `without`.
    """

    network: Network
    catalogue: Catalogue
    reranker: Reranker | None = None
    index: TrackIndex | None = None
    withdrawn: Withdrawn | None = None

    def without(self, tracks: NDArray[np.int64]) -> Recommender:
        """Return one whose lists hold other tracks only, and which shares all that is large with this one.

        In a catalogue of a million tracks, it takes 3 to 8 ms and 10 MB; the first time, 0.1 s to sort by popularity.

        Args:
            tracks: int64 (W,), distinct, 0..M-1.
        """
        assert self.withdrawn is None, "withdraw from the recommender that knows all tracks"
        if not len(tracks):
            return self
        withdrawn = Withdrawn.of(tracks, len(self.catalogue), self.network.device)
        other = replace(self, withdrawn=withdrawn)
        compiled = self.compiled_reranker
        vars(other).update(  # its cached properties
            items=self.items,
            compiled_network=self.compiled_network,
            compiled_reranker=None if compiled is None else compiled.without(withdrawn),
            first_stage=self.first_stage.without(withdrawn),
        )
        return other

    def without_keys(self, keys: NDArray[np.uint64]) -> Recommender:
        """Return one whose lists hold none of the tracks with some keys, uint64 (W,), known to it or not."""
        rows = self.catalogue.rows(keys)
        return self.without(rows[rows != UNKNOWN] - FIRST_TRACK)

    def listable(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return catalogue rows, of any shape, with PAD in place of withdrawn tracks."""
        if self.withdrawn is None:
            return rows
        is_withdrawn = self.withdrawn.marks[np.maximum(rows - FIRST_TRACK, 0)]
        return np.where(is_withdrawn, PAD, rows)

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
