"""The second stage: a small network re-ranks the first stage's best tracks and those that counts propose.

Listeners without a known play get recently popular tracks.

Shapes: A anchors, R candidates of all anchors, F features, H units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn, relu

from models.config import HORIZONS, RING_SIZE, RerankerConfig
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.candidates import FEATURES, Candidates, Moments, Proposer
from models.serving.ranking import top_k

_SCALING: Final = ("feature_means", "feature_scales")


class Reranker(Proposer):
    """A network of two layers over the features of a candidate.

    A candidate's score on a horizon is w * log p + v . features + network(features).

    Source: the stages are those of Covington et al. 2016; the loss is ListNet's, Cao et al. 2007.
    """

    feature_means: Tensor
    feature_scales: Tensor

    def __init__(self, config: RerankerConfig, num_tracks: int, num_pairs: int) -> None:
        super().__init__(config, num_tracks, num_pairs)
        self.register_buffer("feature_means", torch.zeros(len(FEATURES)))
        self.register_buffer("feature_scales", torch.ones(len(FEATURES)))
        units = config.hidden_units
        self.first_layer = nn.Linear(len(FEATURES), units)
        self.second_layer = nn.Linear(units, units)
        self.last_layer = nn.Linear(units, len(HORIZONS))
        self.linear = nn.Linear(len(FEATURES), len(HORIZONS), bias=False)
        self.trust = nn.Parameter(torch.ones(len(HORIZONS)))  # w, the weight of the first stage
        self.reset_weights()

    def reset_weights(self) -> None:
        """Reset the weights; the stage then ranks as the first one does."""
        self.first_layer.reset_parameters()
        self.second_layer.reset_parameters()
        nn.init.zeros_(self.last_layer.weight)
        nn.init.zeros_(self.last_layer.bias)
        nn.init.zeros_(self.linear.weight)
        nn.init.ones_(self.trust)

    def take_weights(self, other: Reranker) -> None:
        """Copy the fitted weights and scaling of another reranker; keep the counts."""
        fitted = dict(other.named_parameters()) | {name: getattr(other, name) for name in _SCALING}
        self.load_state_dict(self.state_dict() | fitted)

    def rank(
        self, moments: Moments, masked: Sequence[Tensor | None], sizes: tuple[int, ...]
    ) -> list[tuple[Tensor, Tensor]]:
        """Rank the candidates of every anchor for every horizon.

        Args:
            moments: at A anchors.
            masked: int64 (A, P), rows left out of the list of each horizon, PAD in empty places; None: none.
            sizes: length k of the list of each horizon.

        Returns:
            Rows int64 (A, k) and logits float32 (A, k) of each horizon, as from `top_k`. Listeners without a known
            play get recently popular tracks, with the logarithms of their popularity.
        """
        num_first_stage = max(
            self.config.num_first_stage, max(sizes) + RING_SIZE * any(rows is not None for rows in masked)
        )
        candidates = self.propose(moments, num_first_stage)
        scores = self.score(candidates.features)  # (R, 2)
        is_known = (moments.heard[:, 0] != PAD)[candidates.anchors]  # (R,)
        scores = scores.where(is_known[:, None], self.log_popularity_of_late[candidates.tracks][:, None])
        return [
            _best_of(candidates, scores[:, horizon], rows, size)
            for horizon, (rows, size) in enumerate(zip(masked, sizes, strict=True))
        ]

    def score(self, features: Tensor) -> Tensor:
        """Score candidates: float32 (R, F) to (R, 2), one score per horizon."""
        scaled = (features - self.feature_means) / self.feature_scales
        hidden = relu(self.second_layer(relu(self.first_layer(scaled))))  # (R, H)
        scores: Tensor = self.trust * features[:, : len(HORIZONS)] + self.linear(scaled) + self.last_layer(hidden)
        return scores


def _best_of(candidates: Candidates, scores: Tensor, masked: Tensor | None, k: int) -> tuple[Tensor, Tensor]:
    """Take the k best candidates of each anchor, among equals the lower track: rows (A, k), scores (A, k).

    The ragged candidates are padded to C columns, one more than the most candidates of an anchor:

        anchors   0  0  0  1  1        padded   s0  s1  s2  -inf        rows   t0  t1  t2  PAD
        places    0  1  2  0  1                 s3  s4 -inf -inf               t3  t4  PAD PAD
    """
    anchors = candidates.anchors
    lengths = torch.bincount(anchors)  # (A,): every anchor has candidates
    places = torch.arange(len(scores), device=scores.device) - (lengths.cumsum(0) - lengths)[anchors]  # (R,)
    longest = int(lengths.max()) if len(lengths) else 0
    padded = scores.new_full((len(lengths), longest + 1), -torch.inf)  # (A, C)
    padded[anchors, places] = scores
    rows = candidates.tracks.new_full(padded.shape, PAD)  # (A, C)
    rows[anchors, places] = candidates.tracks + FIRST_TRACK
    if masked is not None:
        padded.masked_fill_((rows[:, :, None] == masked[:, None, :]).any(2), -torch.inf)
    best, values = top_k(padded, k)
    best = rows.gather(1, (best - FIRST_TRACK).clamp(min=0))
    return best.masked_fill(values == -torch.inf, PAD), values
