"""The network: embed -> recur -> taste vectors and ring terms; the same forward pass trains and serves.

`Network` is what all architectures have in common. Refrain's own is `TasteNetwork`; those of the paper are in
`models.networks.recurrent` and `models.networks.averages`. `models.networks.architectures` lists them all by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import HORIZONS, ArchitectureConfig, NetworkConfig
from models.networks.items import ReleasedItems, TrainedItems
from models.plays.features import num_features
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS, NUM_RECENCIES

NUM_RING_WEIGHTS: Final = NUM_RECENCIES + NUM_COUNTS + NUM_BIGRAMS

ITEM_NAMES: Final = "embedding."
"""What the names of its item vectors begin with among a network's weights."""


class Network(nn.Module, ABC):
    """What a step, a ranking and a criterion require of a network, whatever its architecture.

    Shapes: B listeners, T plays (padded), A anchors (moments to answer at), E embedding, H floats of a state, R floats
    that a network reads from a state, F features, M tracks, W places of the ring.

    Laws: batching is invisible, and serving is training. A state therefore depends on the previous state and on one
    play only, and holds everything the network needs to remember about a listener.

    Args:
        config: of this architecture.
        num_tracks: M.
    """

    temperature: Tensor
    """float32 (), the factor of a cosine before ring terms are added."""

    def __init__(self, config: ArchitectureConfig, num_tracks: int) -> None:
        super().__init__()
        self.config = config
        self.embedding: TrainedItems | ReleasedItems = TrainedItems(num_tracks, config.embedding_size)

    @property
    def device(self) -> torch.device:
        """Return the device that holds the weights."""
        return self.temperature.device

    @abstractmethod
    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        """Move each listener's state through their plays, oldest first.

        Args:
            rows: int64 (B, T), of known tracks; any row in the padding of a listener with fewer than T plays.
            features: float32 (B, T, F).
            hidden: float32 (B, H), before the first play.

        Returns:
            float32 (B, T, H), after each play. Padding comes last, so it changes no state of a real play.
        """

    @abstractmethod
    def read(self, hidden: Tensor) -> Tensor:
        """Turn states, float32 (A, H), into the input of `vectors` and `ring_terms`: float32 (A, R)."""

    @abstractmethod
    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Compute taste vectors, not yet normalised: float32 (A, R) to (A, E)."""

    @abstractmethod
    def ring_terms(self, read: Tensor, groups: Tensor, horizon: int) -> Tensor:
        """Compute what is added to the logit of each remembered track.

        Args:
            read: float32 (A, R).
            groups: int64 (A, W), as in `RingWindows`.
            horizon: index of HORIZONS.

        Returns:
            float32 (A, W); meaningless in empty places.
        """

    def tastes(self, read: Tensor, horizon: int) -> Tensor:
        """Compute taste vectors of length 1: float32 (A, R) to (A, E)."""
        return functional.normalize(self.vectors(read, horizon), dim=1)

    def items(self) -> Tensor:
        """Return the tracks' unit vectors: float32 (M, E), row r of the catalogue at r - FIRST_TRACK."""
        return self.embedding.units()

    def forget(self, read: Tensor, chances: Tensor) -> Tensor:  # noqa: ARG002  most architectures forget nothing
        """Drop part of the past, in training only.

        Args:
            read: float32 (A, R).
            chances: float32 (A,), drawn uniformly from 0 to 1.

        Returns:
            float32 (A, R).
        """
        return read

    def penalty(self) -> Tensor:
        """Compute the regulariser of the weights, which is added to the loss: float32 ()."""
        return self.temperature.new_zeros(())


class CosineNetwork(Network):
    """A network over given item vectors, which are not trained: tracks rank by their cosine with the taste vector.

    Source: De Boom et al. 2018.
    """

    def __init__(self, config: ArchitectureConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        self.embedding.requires_grad_(requires_grad=False)
        self.register_buffer("temperature", torch.ones(()), persistent=False)

    def read(self, hidden: Tensor) -> Tensor:
        """Return states unchanged."""
        return hidden

    def ring_terms(self, read: Tensor, groups: Tensor, horizon: int) -> Tensor:  # noqa: ARG002  zero for all
        """Add nothing for remembered tracks."""
        return read.new_zeros(groups.shape)


class TasteNetwork(Network):
    """One GRU that follows a listener, and one head per horizon that points at what they will play.

    A track's logit is tau * cos(taste, item) + ring term. The embedding is tied: the recurrence reads the same item
    vectors that tracks are ranked by.

    Source: De Boom et al. 2018 (taste vectors, horizons); Cho et al. 2014 (GRU).
    """

    def __init__(self, config: NetworkConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        embedding, hidden = config.embedding_size, config.hidden_size
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.recurrence = nn.GRU(embedding + num_features(config), hidden, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.hidden_dropout = nn.Dropout(config.hidden_dropout)
        self.heads = nn.ModuleList(nn.Linear(hidden, embedding) for _ in HORIZONS)
        self.ring_weights = nn.ParameterList(nn.Parameter(torch.zeros(NUM_RING_WEIGHTS)) for _ in HORIZONS)
        self.ring_gates = nn.ParameterList(  # zero: all listeners start with the same habits
            nn.Parameter(torch.zeros(hidden, NUM_RING_WEIGHTS)) for _ in HORIZONS
        )
        self.temperature = nn.Parameter(torch.tensor(config.initial_temperature))
        self.register_buffer("_combinations", _ring_combinations(), persistent=False)

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        """Follow the plays: h_t = (1 - z_t) * n_t + z_t * h_(t-1), as torch.nn.GRU has it."""
        embedded = self.embedding_dropout(self.embedding(rows))  # (B, T, E)
        inputs = torch.cat([embedded, features], dim=-1)  # (B, T, E + F)
        with torch.backends.cudnn.flags(
            enabled=True, allow_tf32=False
        ):  # TF32 keeps 10 bits: batching would be visible
            states: Tensor = self.recurrence(inputs, hidden.unsqueeze(0))[0]  # (B, T, H)
        return states

    def read(self, hidden: Tensor) -> Tensor:
        """Normalise hidden states for the heads and gates: float32 (A, H) to (A, H)."""
        read: Tensor = self.hidden_dropout(self.norm(hidden))
        return read

    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Apply a head."""
        vectors: Tensor = self.heads[horizon](read)
        return vectors

    def ring_terms(self, read: Tensor, groups: Tensor, horizon: int) -> Tensor:
        """Weigh each remembered track; weights depend on the state, so a listener can be in the mood for repeats."""
        weights = self.ring_weights[horizon] + read @ self.ring_gates[horizon]  # (A, 9 + 4 + 3)
        combined: Tensor = weights @ self._combinations  # (A, 9 * 4 * 3)
        return combined.gather(1, groups)  # (A, W)


def _ring_combinations() -> Tensor:
    """Mark which weights each group adds up: 0 or 1, float32 (9 + 4 + 3, 9 * 4 * 3).

    Group (recency 1, count 3, bigram 2) is column (1 * 4 + 3) * 3 + 2 = 23; it adds three of the 16 weights:

        weight    0 1 2 3 4 5 6 7 8 | 9 10 11 12 | 13 14 15
        column 23   1                |          1 |       1
    """
    recency, count, bigram = torch.meshgrid(
        torch.arange(NUM_RECENCIES), torch.arange(NUM_COUNTS), torch.arange(NUM_BIGRAMS), indexing="ij"
    )
    places = torch.stack([recency, NUM_RECENCIES + count, NUM_RECENCIES + NUM_COUNTS + bigram]).flatten(1)  # (3, 108)
    return torch.zeros(NUM_RING_WEIGHTS, places.shape[1]).scatter_(0, places, 1.0)
