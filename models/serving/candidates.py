"""The candidates of the second stage: the tracks that the first stage and counts propose, and their features.

The counts are frozen in the release: which track came right after which (a Markov chain), which came soon after
(sequential rules), which were played in the same sessions (item kNN). They propose tracks that the taste vectors miss.
What they say about a candidate is a feature, next to the first stage's scores, the listener's ring, popularity and
situation.

Shapes: A anchors, M tracks, W neighbours of a track, R candidates of all anchors, F features.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from models.config import RerankerConfig
from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS
from models.serving.ranking import largest, top_k

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

_SMOOTHING: Final = 2.0  # plays distributed by popularity that are added to what came after a track
_LEAST_SHARE: Final = 1e-5
_LEAST_CLOSENESS: Final = 1e-3


class Moments(NamedTuple):
    """What is known at A anchors.

    Attributes:
        scores: float32 (A, M), of the first stage, one per horizon.
        temperature: float32 (), turns scores into logits.
        ring_rows: int64 (A, P), as `RingWindows.rows`.
        ring_groups: int64 (A, P), as `RingWindows.groups`.
        plays_ago: int64 (A, P), as `RingWindows.plays_ago`.
        heard: int64 (A, P), as `RingWindows.heard`.
        situations: float32 (A, 5), see `models.plays.situation`.
        counted_rows: int64 (A, N), the tracks in the listener's counts (`models.plays.counts`), PAD where unknown.
        counts: float32 (A, N), decayed plays of each.
    """

    scores: tuple[Tensor, ...]
    temperature: Tensor
    ring_rows: Tensor
    ring_groups: Tensor
    plays_ago: Tensor
    heard: Tensor
    situations: Tensor
    counted_rows: Tensor
    counts: Tensor


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


class _SourceEvidence(NamedTuple):
    """What the counts say at A anchors about each of M tracks.

    Attributes:
        current: int64 (A,), the latest known track; 0 where there is none.
        pairs: int64 (A,), the pair of the two latest tracks; -1 where it has no counts.
        followers: float32 (A, M), shares among what came right after the current track.
        soon_now: float32 (A, M), shares among what came soon after the current track.
        soon: float32 (A, M), shares among what came soon after the latest tracks.
        companions: float32 (A, M) each, closeness to the latest tracks, and to recent tracks.
        came_next: float32 (A, M), how often the listener played the track right after the current one.
        counted: float32 (A, M), how often the listener played the track.
    """

    current: Tensor
    pairs: Tensor
    followers: Tensor
    soon_now: Tensor
    soon: Tensor
    companions: list[Tensor]
    came_next: Tensor
    counted: Tensor


class Proposer(nn.Module):
    """Counts that propose candidates, and describe all candidates, whatever proposed them.

    Args:
        config: sizes.
        num_tracks: M.
        num_pairs: number of pairs of tracks, played one after the other, that have counts of their own.
    """

    follower_tracks: Tensor
    follower_shares: Tensor
    num_followers: Tensor
    pair_keys: Tensor
    pair_tracks: Tensor
    pair_shares: Tensor
    num_pair_followers: Tensor
    soon_tracks: Tensor
    soon_shares: Tensor
    num_soon: Tensor
    companion_tracks: Tensor
    companion_closeness: Tensor
    log_popularity: Tensor
    log_popularity_of_late: Tensor

    def __init__(self, config: RerankerConfig, num_tracks: int, num_pairs: int) -> None:
        super().__init__()
        self.config = config
        for kind, value in (("follower", "shares"), ("soon", "shares"), ("companion", "closeness")):
            shape = (num_tracks, config.num_neighbours)
            self.register_buffer(f"{kind}_tracks", torch.zeros(shape, dtype=torch.int32))
            self.register_buffer(f"{kind}_{value}", torch.zeros(shape))
        self.register_buffer("pair_keys", torch.zeros(num_pairs, dtype=torch.int64))
        self.register_buffer("pair_tracks", torch.zeros(num_pairs, config.num_pair_followers, dtype=torch.int32))
        self.register_buffer("pair_shares", torch.zeros(num_pairs, config.num_pair_followers))
        self.register_buffer("num_pair_followers", torch.zeros(num_pairs))
        for name in ("num_followers", "num_soon", "log_popularity", "log_popularity_of_late"):
            self.register_buffer(name, torch.zeros(num_tracks))

    def propose(self, moments: Moments, num_first_stage: int) -> Candidates:
        """Gather the candidates of every anchor and their features.

        Args:
            moments: at A anchors.
            num_first_stage: candidates from each horizon of the first stage.
        """
        evidence, is_known = self._read_counts(moments), moments.heard[:, :1] != PAD  # (A, 1)
        first_stage = [top_k(scores, num_first_stage) for scores in moments.scores]
        proposed = [rows for rows, _ in first_stage]  # (A, n) each, like all proposals; PAD fills gaps
        proposed += [_best(scores, self.config.num_counted) for scores in (evidence.soon, *evidence.companions)]
        proposed += [self._best_followers(evidence.current, is_known), self._pair_followers(evidence.pairs)]
        proposed += [self._popular(num_first_stage).masked_fill(is_known, PAD), moments.ring_rows, moments.counted_rows]
        anchors, tracks = _distinct(torch.cat(proposed, dim=1))
        best = torch.stack([values[:, : self.config.num_first_stage] for _, values in first_stage], dim=1)  # (A, 2, n)
        features = self._describe(moments, evidence, best * moments.temperature, (anchors, tracks))
        return Candidates(anchors, tracks, features)

    def _read_counts(self, moments: Moments) -> _SourceEvidence:
        """Look up the counts of the release and those of the listener."""
        config, heard = self.config, moments.heard
        current = (heard[:, 0] - FIRST_TRACK).clamp(min=0)  # (A,)
        is_known = heard[:, :1] != PAD  # (A, 1)
        counted = moments.counts * (moments.counted_rows != PAD)  # (A, N)
        return _SourceEvidence(
            current=current,
            pairs=self._find_pairs(heard),
            followers=_spread(
                self.follower_tracks[current], self.follower_shares[current] * is_known, self._num_tracks
            ),
            soon_now=_spread(self.soon_tracks[current], self.soon_shares[current] * is_known, self._num_tracks),
            soon=self._add_up(
                self.soon_tracks, self.soon_shares, heard[:, : config.num_followed], config.follower_decay
            ),
            companions=[
                self._add_up(self.companion_tracks, self.companion_closeness, heard[:, : config.num_accompanied], decay)
                for decay in config.companion_decays
            ],
            came_next=self._came_next(heard),
            counted=_spread((moments.counted_rows - FIRST_TRACK).clamp(min=0), counted, self._num_tracks),
        )

    def _describe(
        self, moments: Moments, evidence: _SourceEvidence, best_logits: Tensor, candidates: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Lay out the features of candidates: float32 (R, F).

        Args:
            moments: at A anchors.
            evidence: what the counts say there.
            best_logits: float32 (A, 2, n), the highest logits of each horizon; less their logsumexp, a logit is log p.
            candidates: int64 (R,) each, anchors and tracks.
        """
        anchors, tracks = candidates
        places = anchors * self._num_tracks + tracks  # (R,), flat indices into (A, M)
        normaliser = best_logits.logsumexp(2)  # (A, 2)
        logits = moments.temperature * torch.stack([scores.take(places) for scores in moments.scores], dim=1)  # (R, 2)
        num_followers, num_soon = self.num_followers[evidence.current], self.num_soon[evidence.current]  # (A,) each
        first_order = self._smoothed(evidence.followers.take(places), num_followers[anchors], tracks)
        alone = [
            first_order,
            self._after_pairs(evidence.pairs[anchors], tracks, first_order),
            self._smoothed(evidence.soon_now.take(places), num_soon[anchors], tracks),
            (evidence.soon.take(places) + _LEAST_SHARE).log(),
            *((closeness.take(places) + _LEAST_CLOSENESS).log() for closeness in evidence.companions),
            evidence.came_next.take(places).log1p(),
            evidence.counted.take(places).log1p(),
            self.log_popularity[tracks],
            self.log_popularity_of_late[tracks],
            (best_logits[:, 0, 0] - normaliser[:, 0])[anchors],
        ]
        ring = _ring_features(moments, anchors, tracks, self._num_tracks)  # (R, 5)
        by_anchor = moments.situations[anchors]  # (R, 5)
        return torch.cat([logits - normaliser[anchors], torch.stack(alone, dim=1), ring, by_anchor], dim=1)

    def _popular(self, num_tracks: int) -> Tensor:
        """Propose recently popular tracks: rows (1, n)."""
        return top_k(self.log_popularity_of_late[None], num_tracks)[0]

    @property
    def _num_tracks(self) -> int:
        return len(self.log_popularity)

    def _add_up(self, tracks: Tensor, weights: Tensor, heard: Tensor, decay: float) -> Tensor:
        """Add up what the latest plays (A, n), latest first, say about every track: float32 (A, M)."""
        places = (heard - FIRST_TRACK).clamp(min=0)  # (A, n)
        trust = decay ** torch.arange(heard.shape[1], device=heard.device) * (heard != PAD)  # (A, n)
        weighed = weights[places] * trust[:, :, None]  # (A, n, W)
        return _spread(tracks[places].flatten(1), weighed.flatten(1), self._num_tracks)

    def _came_next(self, heard: Tensor) -> Tensor:
        """Count how often each track came right after an earlier play of the current one: float32 (A, M).

        One anchor, whose current track is 9:

            heard, latest first   9  7  5  9  5
            is_next                  .  .  x  .       for places 1 to 4: the 9 there was followed by the 5 before it
        """
        is_next = (heard[:, 1:] == heard[:, :1]) & (heard[:, 1:] != PAD)  # (A, W - 1), by the play one place before
        return _spread((heard[:, :-1] - FIRST_TRACK).clamp(min=0), is_next.float(), self._num_tracks)

    def _best_followers(self, current: Tensor, is_known: Tensor) -> Tensor:
        """Propose the tracks that came right after the current one most often: rows (A, n)."""
        tracks, shares = (
            table[current, : self.config.num_counted] for table in (self.follower_tracks, self.follower_shares)
        )
        return (tracks.long() + FIRST_TRACK).masked_fill((shares == 0) | ~is_known, PAD)

    def _pair_followers(self, pairs: Tensor) -> Tensor:
        """Propose the tracks that came right after the two latest ones: rows (A, n)."""
        if not len(self.pair_keys):
            return pairs.new_full((len(pairs), 1), PAD)
        shares = self.pair_shares[pairs]  # (A, n)
        return (self.pair_tracks[pairs].long() + FIRST_TRACK).masked_fill((shares == 0) | (pairs[:, None] < 0), PAD)

    def _find_pairs(self, heard: Tensor) -> Tensor:
        """Find the counts of the two latest tracks as a pair: int64 (A,), -1 where there are none."""
        if heard.shape[1] < 2 or not len(self.pair_keys):
            return torch.full((len(heard),), -1, device=heard.device)
        keys = (heard[:, 1] - FIRST_TRACK) * self._num_tracks + heard[:, 0] - FIRST_TRACK
        pairs = torch.searchsorted(self.pair_keys, keys).clamp(max=len(self.pair_keys) - 1)
        return pairs.where((self.pair_keys[pairs] == keys) & (heard[:, 1] != PAD), -1)

    def _smoothed(self, shares: Tensor, totals: Tensor, tracks: Tensor) -> Tensor:
        """Compute log lifts: how much more often tracks followed another one than they are played: float32 (R,)."""
        log_popularity = self.log_popularity[tracks]
        smoothed = (shares * totals + _SMOOTHING * log_popularity.exp()) / (totals + _SMOOTHING)
        return smoothed.log() - log_popularity

    def _after_pairs(self, pairs: Tensor, tracks: Tensor, first_order: Tensor) -> Tensor:
        """Compute the log lift after two tracks in a row, smoothed by that after the second one: float32 (R,)."""
        if not len(self.pair_keys):
            return first_order
        shares = (self.pair_shares[pairs] * (self.pair_tracks[pairs] == tracks[:, None])).sum(1)  # (R,)
        totals = self.num_pair_followers[pairs] * (pairs >= 0)  # (R,)
        log_popularity = self.log_popularity[tracks]
        backed = _SMOOTHING * (first_order + log_popularity).exp()
        return ((shares * totals + backed) / (totals + _SMOOTHING)).log() - log_popularity


def _spread(tracks: Tensor, weights: Tensor, num_tracks: int) -> Tensor:
    """Sum weights (A, n) by track (A, n): float32 (A, M)."""
    return torch.zeros(len(tracks), num_tracks, device=weights.device).scatter_add_(1, tracks.long(), weights)


def _best(scores: Tensor, k: int) -> Tensor:
    """Propose the k tracks with the highest scores above 0: rows (A, k), PAD where there are fewer."""
    values, places = largest(scores, min(k, scores.shape[1]))
    return (places + FIRST_TRACK).masked_fill(values <= 0, PAD)


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """List each anchor's distinct tracks: rows (A, n) to anchors and tracks (R,)."""
    rows = rows.sort(dim=1).values
    is_first = rows != PAD
    is_first[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    anchors, places = is_first.nonzero(as_tuple=True)
    return anchors, rows[anchors, places] - FIRST_TRACK


def _ring_features(moments: Moments, anchors: Tensor, tracks: Tensor, num_tracks: int) -> Tensor:
    """Describe each candidate by the ring: float32 (R, 5), zeros for tracks that the ring does not hold."""
    ring = moments.ring_rows
    places = torch.full((len(ring), num_tracks + FIRST_TRACK), -1, device=ring.device)  # int64 (A, M + 2)
    places.scatter_(1, ring, torch.arange(ring.shape[1], device=ring.device).expand_as(ring))
    places = places[anchors, tracks + FIRST_TRACK]  # (R,)
    is_held = places >= 0
    places = places.clamp(min=0)
    groups = moments.ring_groups[anchors, places]  # (R,)
    bigrams = groups % NUM_BIGRAMS
    features = torch.stack(
        [
            torch.ones_like(groups),
            groups // (NUM_COUNTS * NUM_BIGRAMS),
            groups // NUM_BIGRAMS % NUM_COUNTS,
            bigrams == 2,
            (moments.plays_ago[anchors, places] + 1.0).log(),
        ],
        dim=1,
    )  # (R, 5)
    return features * is_held[:, None]
