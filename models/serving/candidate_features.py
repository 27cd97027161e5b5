"""The features of candidates: what the first stage, counts, the ring and the moment say about each.

Shapes: A anchors, M tracks, R candidates of all anchors, F features.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from models.config import HORIZONS
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS
from models.serving.candidates import Chosen, Evidence, tracks_of
from models.serving.moments import Moments
from models.serving.sources import Sources
from models.serving.vocabulary import Said

FEATURES: Final = (
    "log p, short-term",
    "log p, long-term",
    "log lift, right after the current track",
    "log lift, right after the current track and the one before",
    "log lift, soon after the current track",
    "log share, soon after the latest tracks",
    "log closeness, latest tracks",
    "log closeness, recent tracks",
    "log times it came next before",
    "log plays counted",
    "log popularity",
    "log recent popularity",
    "log p of the best, short-term",
    "in the ring",
    "recency",
    "plays in the ring",
    "came second next before",
    "log plays ago",
    "plays in the session",
    "gap",
    "session start",
    "repeat share",
    "plays remembered",
)

SMOOTHING: Final = 2.0
"""Plays distributed by popularity that are added to what came after a track."""

LEAST_SHARE: Final = 1e-5
LEAST_CLOSENESS: Final = 1e-3


def describe(sources: Sources, moments: Moments, evidence: Evidence, chosen: Chosen, num_best: int) -> Tensor:
    """Lay out the features of candidates: float32 (R, F).

    Args:
        sources: the counts of the release.
        moments: at A anchors.
        evidence: what the counts say there.
        chosen: R candidates.
        num_best: the first stage's best tracks over which probabilities are normalised.
    """
    anchors, tracks = chosen.anchors, chosen.tracks
    ring_places = _ring_places(moments, chosen)  # (R,)
    best = [scores[:, :num_best] * moments.temperature for scores in moments.best.scores]  # (A, n) each
    normaliser = torch.stack([logits.logsumexp(1) for logits in best], dim=1)  # (A, 2)
    first_order = _smoothed(sources, chosen, evidence.followers, sources.num_followers[evidence.current])
    alone = [
        first_order,
        _after_pairs(sources, chosen, evidence, first_order),
        _smoothed(sources, chosen, evidence.soon_now, sources.num_soon[evidence.current]),
        (chosen.of(evidence.soon) + LEAST_SHARE).log(),
        *((chosen.of(companions) + LEAST_CLOSENESS).log() for companions in evidence.companions),
        chosen.of(evidence.came_next).log1p(),
        chosen.of(evidence.counted).log1p(),
        sources.log_popularity[tracks],
        sources.log_popularity_of_late[tracks],
        (best[0][:, 0] - normaliser[:, 0])[anchors],
    ]
    logits = _logits(moments, anchors, tracks, ring_places)  # (R, 2)
    ring = _ring_features(moments, anchors, ring_places)  # (R, 5)
    parts = [logits - normaliser[anchors], torch.stack(alone, dim=1), ring, moments.situations[anchors]]
    return torch.cat(parts, dim=1)


def _logits(moments: Moments, anchors: Tensor, tracks: Tensor, ring_places: Tensor) -> Tensor:
    """Compute the first stage's logits: float32 (R, 2)."""
    items = moments.items[tracks]  # (R, E)
    scores = [
        (items * moments.tastes[horizon][anchors]).sum(1)
        + moments.terms[horizon][anchors, ring_places.clamp(min=0)] * (ring_places >= 0)
        for horizon in range(len(HORIZONS))
    ]
    return moments.temperature * torch.stack(scores, dim=1)


def _smoothed(sources: Sources, chosen: Chosen, shares: Said, totals: Tensor) -> Tensor:
    """Compute log lifts: how much more often tracks followed another one than they are played: float32 (R,)."""
    log_popularity, num = sources.log_popularity[chosen.tracks], totals[chosen.anchors]
    smoothed = (chosen.of(shares) * num + SMOOTHING * log_popularity.exp()) / (num + SMOOTHING)
    return smoothed.log() - log_popularity


def _after_pairs(sources: Sources, chosen: Chosen, evidence: Evidence, first_order: Tensor) -> Tensor:
    """Compute the log lift after two tracks in a row, smoothed by that after the second one: float32 (R,)."""
    if not len(sources.pair_keys):
        return first_order
    num = (sources.num_pair_followers[evidence.pairs] * (evidence.pairs >= 0))[chosen.anchors]
    log_popularity = sources.log_popularity[chosen.tracks]
    backed = SMOOTHING * (first_order + log_popularity).exp()
    return ((chosen.of(evidence.pair_followers) * num + backed) / (num + SMOOTHING)).log() - log_popularity


def _ring_places(moments: Moments, chosen: Chosen) -> Tensor:
    """Find each candidate in its anchor's ring: int64 (R,), -1 where the ring does not hold it."""
    ring = tracks_of(moments.ring_rows)  # (A, P)
    places = torch.full_like(chosen.vocabulary.tracks, -1)  # (A, V)
    held = torch.arange(ring.shape[1], device=ring.device).where(moments.ring_rows != 0, -1)
    places.scatter_reduce_(1, chosen.vocabulary.numbers(ring), held, "amax")
    return places[chosen.anchors, chosen.numbers]


def _ring_features(moments: Moments, anchors: Tensor, places: Tensor) -> Tensor:
    """Describe each candidate by the ring: float32 (R, 5), zeros for tracks that the ring does not hold."""
    is_held, places = places >= 0, places.clamp(min=0)
    groups = moments.ring_groups[anchors, places]  # (R,)
    features = torch.stack(
        [
            torch.ones_like(groups),
            groups // (NUM_COUNTS * NUM_BIGRAMS),
            groups // NUM_BIGRAMS % NUM_COUNTS,
            groups % NUM_BIGRAMS == 2,
            (moments.plays_ago[anchors, places] + 1.0).log(),
        ],
        dim=1,
    )  # (R, 5)
    return features * is_held[:, None]
