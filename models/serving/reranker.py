"""The second stage: a small network re-ranks the first stage's best tracks and those that counts propose.

Listeners without a known play get recently popular tracks.

Shapes: A anchors, R candidates of all anchors, F features, H units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

import torch
from torch import Tensor, nn, relu

from models.config import HORIZONS, RerankerConfig
from models.plays.catalogue import PAD
from models.serving.candidate_features import FEATURES, describe
from models.serving.candidates import choose, read_counts
from models.serving.moments import Best, Moments
from models.serving.shortlist import best_of
from models.serving.sources import Sources
from models.serving.withdrawn import Withdrawn

_SCALING: Final = ("feature_means", "feature_scales")


class Candidates(NamedTuple):
    """R candidates, grouped by anchor, by rising track within each.

    Attributes:
        anchors: int64 (R,), 0..A-1.
        tracks: int64 (R,), 0..M-1.
        features: float32 (R, F).
    """

    anchors: Tensor
    tracks: Tensor
    features: Tensor


class Reranker(nn.Module):
    """A network of two layers over the features of a candidate.

    A candidate's score on a horizon is w * log p + v . features + network(features).

    Args:
        config: sizes.
        sources: the counts of the release, which propose and describe candidates.

    Source: the stages are those of Covington et al. 2016; the loss is ListNet's, Cao et al. 2007.
    """

    feature_means: Tensor
    feature_scales: Tensor

    def __init__(self, config: RerankerConfig, sources: Sources) -> None:
        super().__init__()
        self.config = config
        self.sources = sources
        self.register_buffer("feature_means", torch.zeros(len(FEATURES)))
        self.register_buffer("feature_scales", torch.ones(len(FEATURES)))
        units = config.hidden_units
        self.first_layer = nn.Linear(len(FEATURES), units)
        self.second_layer = nn.Linear(units, units)
        self.last_layer = nn.Linear(units, len(HORIZONS))
        self.linear = nn.Linear(len(FEATURES), len(HORIZONS), bias=False)
        self.trust = nn.Parameter(torch.ones(len(HORIZONS)))  # w, the weight of the first stage
        self.reset_weights()

    @classmethod
    def from_tensors(cls, config: RerankerConfig, tensors: Mapping[str, Tensor]) -> Self:
        """Take what `state_dict` gives; the counts are not copied.

        Raises:
            KeyError: a table is missing.
            RuntimeError: another tensor is missing, or of another shape.
        """
        prefix = "sources."
        of_sources = {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}
        reranker = cls(config, Sources.from_tensors(of_sources))
        reranker.load_state_dict(dict(tensors), assign=True)
        return reranker

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

    def propose(self, moments: Moments, withdrawn: Withdrawn | None = None) -> Candidates:
        """Gather the candidates of every anchor and their features; see `choose` on withdrawn tracks."""
        evidence = read_counts(self.config, self.sources, moments)
        chosen = choose(self.config, self.sources, moments, evidence, withdrawn)
        features = describe(self.sources, moments, evidence, chosen, self.config.num_first_stage)
        return Candidates(chosen.anchors, chosen.tracks, features)

    def rank(
        self,
        moments: Moments,
        masked: Sequence[Tensor],
        sizes: tuple[int, ...],
        withdrawn: Withdrawn | None = None,
    ) -> list[Best]:
        """Rank the candidates of every anchor for every horizon.

        Args:
            moments: at A anchors.
            masked: int64 (A, P), tracks left out of the list of each horizon, NO_TRACK in empty places.
            sizes: length k of the list of each horizon.
            withdrawn: tracks that are in no list.

        Returns:
            Tracks and logits (A, k) of each horizon. Listeners without a known play get recently popular tracks, with
            the logarithms of their popularity.
        """
        candidates = self.propose(moments, withdrawn)
        scores = self.score(candidates.features)  # (R, 2)
        is_known = (moments.heard[:, 0] != PAD)[candidates.anchors]  # (R,)
        scores = scores.where(is_known[:, None], self.sources.log_popularity_of_late[candidates.tracks][:, None])
        if withdrawn is not None:
            scores = scores.masked_fill(withdrawn.marks_there[candidates.tracks][:, None], -torch.inf)
        return [
            _best_of(candidates, scores[:, horizon], tracks, size)
            for horizon, (tracks, size) in enumerate(zip(masked, sizes, strict=True))
        ]

    def score(self, features: Tensor) -> Tensor:
        """Score candidates: float32 (R, F) to (R, 2), one score per horizon."""
        scaled = (features - self.feature_means) / self.feature_scales
        hidden = relu(self.second_layer(relu(self.first_layer(scaled))))  # (R, H)
        scores: Tensor = self.trust * features[:, : len(HORIZONS)] + self.linear(scaled) + self.last_layer(hidden)
        return scores


def _best_of(candidates: Candidates, scores: Tensor, masked: Tensor, k: int) -> Best:
    """Take the k best candidates of each anchor, among equals the lower track.

    The ragged candidates are padded to C columns, as many as the most candidates of an anchor, k at least:

        anchors   0  0  0  1  1        padded   s0  s1  s2          tracks   t0  t1  t2
        places    0  1  2  0  1                 s3  s4 -inf                  t3  t4  -1
    """
    anchors = candidates.anchors
    lengths = torch.bincount(anchors, minlength=len(masked))  # (A,)
    places = torch.arange(len(scores), device=scores.device) - (lengths.cumsum(0) - lengths)[anchors]  # (R,)
    longest = int(lengths.max()) if len(lengths) else 0
    padded = scores.new_full((len(lengths), max(longest, k)), -torch.inf)  # (A, C)
    padded[anchors, places] = scores
    tracks = candidates.tracks.new_full(padded.shape, -1)  # (A, C)
    tracks[anchors, places] = candidates.tracks
    padded.masked_fill_((tracks[:, :, None] == masked[:, None, :]).any(2), -torch.inf)
    return best_of(tracks, padded, k)
