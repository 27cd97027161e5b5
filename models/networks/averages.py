"""The baselines of De Boom et al. 2018: taste as a mean of the songs last played, discounted or with learned weights.

The paper's abstract and introduction were at hand, its method was not. Chosen here:

A discounted mean has a factor a horizon, chosen on validation plays, and starts from zero.

A learned weight (b_ST, b_LT) belongs to a place: the last song, the one before, ... 64 of them, the plays that a
listener's record remembers, so that a state rebuilt under a new release is as good as one that was followed. Listeners
with few songs must be served too: while training, only the last n count, and n is drawn by Zipf's law. So the weights
of places far back are seldom taught, and a regulariser holds them to those of their neighbours,
sum((w_i - w_(i+1))^2) / sum(w_i^2): of the weights' scale a cosine knows nothing.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.config import HORIZONS, DiscountConfig, WeightsConfig
from models.networks.network import CosineNetwork
from models.plays.catalogue import FIRST_TRACK, PAD

_MAX_ROWS: Final = 1 << 24  # that float32 tells apart


class DiscountedMean(CosineNetwork):
    """The exponentially discounted mean of all songs played, one a horizon: s_t = f s_(t-1) + (1 - f) x_t.

    A state is both means side by side, H = 2 E. There is nothing to train but the song vectors.
    """

    factors: Tensor

    def __init__(self, config: DiscountConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        factors = torch.tensor(config.factors).repeat_interleave(config.embedding_size)  # (2 E,)
        self.register_buffer("factors", factors, persistent=False)

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:  # noqa: ARG002  songs are all it hears
        """Move both means, song by song."""
        songs = self.embedding(rows).repeat(1, 1, len(HORIZONS))  # (B, T, 2 E)
        states = [hidden]
        for song in songs.unbind(dim=1):
            states.append(torch.lerp(song, states[-1], self.factors))
        return torch.stack(states[1:], dim=1)  # (B, T, 2 E)

    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Take the horizon's mean."""
        return read.chunk(len(HORIZONS), dim=1)[horizon]


class WeightedMean(CosineNetwork):
    """A sum of the last N songs with a learned weight for each place, one a horizon: t = sum(w_i x_(t-i)).

    A state is the rows of those songs, oldest first, as floats: H = N. A release owns its states, so rows will do.

    Raises:
        ValueError: a float32 cannot tell so many tracks apart.
    """

    _shares: Tensor

    def __init__(self, config: WeightsConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        if num_tracks + FIRST_TRACK > _MAX_ROWS:
            raise ValueError(f"{num_tracks} tracks are more than a state of this kind can name; keep the most played")
        self.weights = nn.Parameter(torch.full((len(HORIZONS), config.num_songs), 1 / config.num_songs))
        chances = torch.arange(1, config.num_songs + 1).float() ** -config.zipf_exponent
        self.register_buffer("_shares", chances.cumsum(0) / chances.sum(), persistent=False)
        self._roughness_weight = config.roughness_weight

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:  # noqa: ARG002  songs are all it hears
        """Let the oldest songs go, one for every new one."""
        songs = torch.cat([hidden, rows.to(hidden)], dim=1)  # (B, N + T)
        return songs.unfold(1, hidden.shape[1], 1)[:, 1:]  # (B, T, N)

    def read(self, hidden: Tensor) -> Tensor:
        """Turn to the newest song first."""
        return hidden.flip(1)

    def forget(self, read: Tensor, chances: Tensor) -> Tensor:
        """Keep the last n songs, n by Zipf's law."""
        lengths = 1 + torch.searchsorted(self._shares[:-1], chances, right=True)  # (A,)
        places = torch.arange(read.shape[1], device=read.device)
        return read.masked_fill(places >= lengths[:, None], PAD)

    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Add the songs up; the vector of an empty place is zero."""
        return functional.embedding_bag(
            read.long(),
            self.embedding.weight,
            per_sample_weights=self.weights[horizon].expand_as(read),
            mode="sum",
            padding_idx=PAD,
        )

    def penalty(self) -> Tensor:
        """Regularise: neighbouring places weigh alike."""
        roughness = self.weights.diff(dim=1).square().sum(dim=1) / self.weights.square().sum(dim=1)  # (2,)
        return self._roughness_weight * roughness.sum()
