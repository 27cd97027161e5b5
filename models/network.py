"""The network: embed -> recur -> taste vectors and ring terms; the same forward trains and serves."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.catalogue import FIRST_TRACK, PAD
from models.config import HORIZONS, NetworkConfig
from models.features import num_features
from models.ring import NUM_BIGRAMS, NUM_COUNTS, NUM_RECENCIES

_NUM_RING_WEIGHTS: Final = NUM_RECENCIES + NUM_COUNTS + NUM_BIGRAMS


class TasteNetwork(nn.Module):
    """One GRU that follows a listener and one head a horizon that says what they want.

    Shapes: B listeners, T plays (padded), A anchors (moments to answer at), E embedding, H hidden, F features,
    M tracks, W places of the ring.

    A track's logit is tau * cos(taste, item) + ring term. The embedding is tied: the item vectors that rank are those
    the recurrence reads.

    Source: De Boom et al. 2018 (taste vectors, horizons); Cho et al. 2014 (GRU).
    """

    def __init__(self, config: NetworkConfig, num_tracks: int) -> None:
        super().__init__()
        embedding, hidden = config.embedding_size, config.hidden_size
        self.config = config
        self.embedding = nn.Embedding(num_tracks + FIRST_TRACK, embedding, padding_idx=PAD)
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.recurrence = nn.GRU(embedding + num_features(config), hidden, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.hidden_dropout = nn.Dropout(config.hidden_dropout)
        self.heads = nn.ModuleList(nn.Linear(hidden, embedding) for _ in HORIZONS)
        self.ring_weights = nn.ParameterList(nn.Parameter(torch.zeros(_NUM_RING_WEIGHTS)) for _ in HORIZONS)
        self.ring_gates = nn.ParameterList(  # zero: start from one habit for all, learn who differs
            nn.Parameter(torch.zeros(hidden, _NUM_RING_WEIGHTS)) for _ in HORIZONS
        )
        self.temperature = nn.Parameter(torch.tensor(config.initial_temperature))
        self.register_buffer("_combinations", _ring_combinations(), persistent=False)

    @property
    def device(self) -> torch.device:
        """Say where the weights are."""
        return self.temperature.device

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        """Move each listener's hidden state through their plays, oldest first.

        Args:
            rows: int64 (B, T), of known tracks; any row where a listener has fewer than T.
            features: float32 (B, T, F).
            hidden: float32 (B, H), before the first play.

        Returns:
            float32 (B, T, H), after each play. Padding stands behind, so it changes no state before it.

        Equation: h_t = (1 - z_t) * n_t + z_t * h_(t-1), as torch.nn.GRU has it.
        """
        embedded = self.embedding_dropout(self.embedding(rows))  # (B, T, E)
        inputs = torch.cat([embedded, features], dim=-1)  # (B, T, E + F)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 has 10 bits: batching would show
            states: Tensor = self.recurrence(inputs, hidden.unsqueeze(0))[0]  # (B, T, H)
        return states

    def read(self, hidden: Tensor) -> Tensor:
        """Normalise hidden states for the heads and gates: float32 (A, H) to (A, H)."""
        read: Tensor = self.hidden_dropout(self.norm(hidden))
        return read

    def tastes(self, read: Tensor, horizon: int) -> Tensor:
        """Point into the catalogue: float32 (A, H) to unit vectors (A, E)."""
        return functional.normalize(self.heads[horizon](read), dim=1)

    def items(self) -> Tensor:
        """Give the tracks' unit vectors: float32 (M, E), row r of the catalogue at r - FIRST_TRACK."""
        return functional.normalize(self.embedding.weight[FIRST_TRACK:], dim=1)

    def ring_terms(self, read: Tensor, groups: Tensor, horizon: int) -> Tensor:
        """Weigh each remembered track; the weights depend on the state, so a listener may be in replay mode.

        Args:
            read: float32 (A, H).
            groups: int64 (A, W), as in `RingWindows`.
            horizon: index of HORIZONS.

        Returns:
            float32 (A, W), to be added to logits; meaningless in empty places.
        """
        weights = self.ring_weights[horizon] + read @ self.ring_gates[horizon]  # (A, 9 + 4 + 3)
        combined: Tensor = weights @ self._combinations  # (A, 9 * 4 * 3)
        return combined.gather(1, groups)  # (A, W)


def _ring_combinations() -> Tensor:
    """Say which weights each group adds up: 0 or 1, float32 (9 + 4 + 3, 9 * 4 * 3)."""
    recency, count, bigram = torch.meshgrid(
        torch.arange(NUM_RECENCIES), torch.arange(NUM_COUNTS), torch.arange(NUM_BIGRAMS), indexing="ij"
    )
    places = torch.stack([recency, NUM_RECENCIES + count, NUM_RECENCIES + NUM_COUNTS + bigram]).flatten(1)  # (3, 108)
    return torch.zeros(_NUM_RING_WEIGHTS, places.shape[1]).scatter_(0, places, 1.0)
