"""The baselines of De Boom et al. 2018: taste as a mean of the latest songs, discounted or with learned weights.

Only the paper's abstract and introduction were available, not its method. The choices made here:

A discounted mean has one factor per horizon, chosen on validation plays, and starts from zero.

A learned weight (b_ST, b_LT) belongs to a place: the last song, the one before, and so on. There are 64 places, as many
plays as a listener's record remembers, so that a state rebuilt under a new release equals one that was kept up to date.
Listeners with few songs must be served too, so in training only the last n songs count, with n drawn from Zipf's law.
That makes distant places rare in training; a regulariser ties their weights to those of their neighbours:
sum((w_i - w_(i+1))^2) / sum(w_i^2). The denominator makes it independent of the scale of the weights, as a cosine is.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from models.config import HORIZONS, DiscountConfig, WeightsConfig
from models.networks.network import CosineNetwork
from models.plays.catalogue import FIRST_TRACK, PAD

_MAX_ROWS: Final = 1 << 24  # integers up to here are exact in float32


class DiscountedMean(CosineNetwork):
    """The exponentially discounted mean of all songs played, one per horizon: s_t = f s_(t-1) + (1 - f) x_t.

    A state is both means side by side, H = 2 E. Nothing is trained beyond the song vectors.
    """

    factors: Tensor

    def __init__(self, config: DiscountConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        factors = torch.tensor(config.factors).repeat_interleave(config.embedding_size)  # (2 E,)
        self.register_buffer("factors", factors, persistent=False)

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:  # noqa: ARG002  it reads songs only
        """Update both means, song by song."""
        songs = self.embedding(rows).repeat(1, 1, len(HORIZONS))  # (B, T, 2 E)
        states = [hidden]
        for song in songs.unbind(dim=1):
            states.append(torch.lerp(song, states[-1], self.factors))  # (B, 2 E)
        return torch.stack(states[1:], dim=1)  # (B, T, 2 E)

    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Return the horizon's mean."""
        return read.chunk(len(HORIZONS), dim=1)[horizon]  # (A, E)


class WeightedMean(CosineNetwork):
    """A weighted sum of the last N songs, with one learned weight per place and horizon: sum(w_i x_(t-i)).

    A state is the catalogue rows of those songs as floats, oldest first: H = N. Rows are enough, since states belong to
    one release.

    Raises:
        ValueError: there are more tracks than float32 has exact integers.
    """

    _shares: Tensor

    def __init__(self, config: WeightsConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        if num_tracks + FIRST_TRACK > _MAX_ROWS:
            raise ValueError(
                f"{num_tracks} tracks are more than a state of rows in float32 can name; keep the most played"
            )
        self.weights = nn.Parameter(torch.full((len(HORIZONS), config.num_songs), 1 / config.num_songs))
        chances = torch.arange(1, config.num_songs + 1).float() ** -config.zipf_exponent
        self.register_buffer("_shares", chances.cumsum(0) / chances.sum(), persistent=False)
        self._roughness_weight = config.roughness_weight

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:  # noqa: ARG002  it reads songs only
        """Append the new songs; each pushes out the oldest one.

        With N = 3, state h0 h1 h2 and new songs r0 r1:

            songs      h0 h1 h2 r0 r1
            windows    h0 h1 h2             the state before, which is left out
                          h1 h2 r0          after r0
                             h2 r0 r1       after r1
        """
        songs = torch.cat([hidden, rows.to(hidden)], dim=1)  # (B, N + T)
        return songs.unfold(1, hidden.shape[1], 1)[:, 1:]  # (B, T, N)

    def read(self, hidden: Tensor) -> Tensor:
        """Reverse states, so that the newest song comes first."""
        return hidden.flip(1)  # (A, N)

    def forget(self, read: Tensor, chances: Tensor) -> Tensor:
        """Keep only the last n songs, n drawn from Zipf's law."""
        lengths = 1 + torch.searchsorted(self._shares[:-1], chances, right=True)  # (A,)
        places = torch.arange(read.shape[1], device=read.device)  # (N,)
        return read.masked_fill(places >= lengths[:, None], PAD)

    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Add up the weighted song vectors, (A, E); the vector of an empty place is zero."""
        songs: Tensor = self.embedding(read.long())  # (A, N, E)
        return self.weights[horizon] @ songs

    def penalty(self) -> Tensor:
        """Penalise differences between the weights of neighbouring places."""
        roughness = self.weights.diff(dim=1).square().sum(dim=1) / self.weights.square().sum(dim=1)  # (2,)
        return self._roughness_weight * roughness.sum()
