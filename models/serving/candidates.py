"""The candidates of the second stage: the tracks that the first stage and counts propose.

The counts are frozen in the release: which track came right after which (a Markov chain), which came soon after
(sequential rules), which were played in the same sessions (item kNN). They propose tracks that the taste vectors miss.
What they say about a candidate is a feature, see `models.serving.candidate_features`.

This is the path of a GPU, and the definition of what `models.serving.kernels` computes on a CPU.

Shapes: A anchors, M tracks, V tracks of the largest vocabulary, R candidates of all anchors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.config import RerankerConfig
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.moments import Moments
from models.serving.sources import Sources
from models.serving.vocabulary import NO_TRACK, Said, Vocabulary, said
from models.serving.withdrawn import Withdrawn


class Evidence(NamedTuple):
    """What the counts say at A anchors.

    Attributes:
        current: int64 (A,), the latest known track; 0 where there is none.
        pairs: int64 (A,), the pair of the two latest tracks; -1 where it has no counts.
        followers: shares among what came right after the current track.
        soon_now: shares among what came soon after the current track.
        pair_followers: shares among what came right after the two latest tracks.
        soon: shares among what came soon after the latest tracks.
        companions: closeness to the latest tracks, and to recent tracks.
        came_next: 1 for every time the listener played the track right after the current one.
        counted: how often the listener played the track.
    """

    current: Tensor
    pairs: Tensor
    followers: Said
    soon_now: Said
    pair_followers: Said
    soon: Said
    companions: tuple[Said, ...]
    came_next: Said
    counted: Said

    @property
    def all(self) -> list[Said]:
        """Everything that is said."""
        single = (self.followers, self.soon_now, self.pair_followers, self.soon, self.came_next, self.counted)
        return [*single, *self.companions]


class Chosen(NamedTuple):
    """R candidates of A anchors, grouped by anchor, by rising track within each.

    Attributes:
        vocabulary: of the A anchors.
        anchors: int64 (R,), 0..A-1.
        numbers: int64 (R,), the numbers of the candidates in their anchors' vocabularies.
    """

    vocabulary: Vocabulary
    anchors: Tensor
    numbers: Tensor

    @property
    def tracks(self) -> Tensor:
        """The candidates: int64 (R,), 0..M-1."""
        return self.vocabulary.tracks[self.anchors, self.numbers]

    def of(self, what: Said) -> Tensor:
        """Add up what is said of each candidate: float32 (R,)."""
        return self.vocabulary.add_up([what])[self.anchors, self.numbers]


def read_counts(config: RerankerConfig, sources: Sources, moments: Moments) -> Evidence:
    """Look up the counts of the release and those of the listeners."""
    heard = tracks_of(moments.heard)  # (A, P)
    is_known = heard[:, :1] != NO_TRACK  # (A, 1)
    current = heard[:, 0].where(is_known[:, 0], 0)
    pairs = _pairs(sources, heard)
    pair_tracks, pair_shares = sources.pair_followers.rows(pairs.clamp(min=0), config.num_pair_followers)
    latest, recent = heard[:, : config.num_followed], heard[:, : config.num_accompanied]
    width = config.num_neighbours
    follower_tracks, follower_shares = sources.followers.rows(current, width)
    soon_tracks, soon_shares = sources.soon.rows(current, width)
    is_next = (heard[:, 1:] == heard[:, :1]) & is_known  # (A, P - 1), of the play one place before
    return Evidence(
        current=current,
        pairs=pairs,
        followers=said(follower_tracks, follower_shares * is_known),
        soon_now=said(soon_tracks, soon_shares * is_known),
        pair_followers=said(pair_tracks, pair_shares * (pairs >= 0)[:, None]),
        soon=_of_plays(sources.soon.rows(latest.where(latest != NO_TRACK, 0), width), latest, config.follower_decay),
        companions=tuple(
            _of_plays(sources.companions.rows(recent.where(recent != NO_TRACK, 0), width), recent, decay)
            for decay in config.companion_decays
        ),
        came_next=said(heard[:, :-1], is_next.float()),
        counted=said(tracks_of(moments.counted_rows), moments.counts * (moments.counted_rows != PAD)),
    )


def choose(
    config: RerankerConfig, sources: Sources, moments: Moments, evidence: Evidence, withdrawn: Withdrawn | None = None
) -> Chosen:
    """Take what the first stage, the counts, the ring and the listener's own counts propose.

    Withdrawn tracks are in no list, but may be candidates, and take a place of what counts propose.
    """
    first_stage = [tracks.masked_fill(tracks < 0, NO_TRACK) for tracks in moments.best.tracks]
    popular = sources.most_popular_of_late(first_stage[0].shape[1], withdrawn).expand(len(moments.heard), -1)
    followers = evidence.followers.tracks[:, : config.num_counted]
    proposed = [*first_stage, followers, evidence.pair_followers.tracks]
    proposed += [popular.masked_fill(moments.heard[:, :1] != PAD, NO_TRACK)]
    proposed += [tracks_of(moments.ring_rows), tracks_of(moments.counted_rows)]
    vocabulary = Vocabulary([*proposed, *(each.tracks for each in evidence.all)])
    is_chosen = vocabulary.mark(proposed)  # (A, V)
    for summed in (evidence.soon, *evidence.companions):
        is_chosen |= _best(vocabulary.add_up([summed]), config.num_counted)
    return Chosen(vocabulary, *is_chosen.nonzero(as_tuple=True))


def tracks_of(rows: Tensor) -> Tensor:
    """Turn catalogue rows, PAD in empty places, into tracks."""
    return (rows - FIRST_TRACK).masked_fill(rows == PAD, NO_TRACK)


def _pairs(sources: Sources, heard: Tensor) -> Tensor:
    """Find the counts of the two latest tracks as a pair: int64 (A,), -1 where there are none."""
    if heard.shape[1] < 2:
        return torch.full_like(heard[:, 0], -1)
    return sources.find_pairs(heard[:, 1], heard[:, 0]).where(heard[:, 1] != NO_TRACK, -1)


def _of_plays(neighbours: tuple[Tensor, Tensor], heard: Tensor, decay: float) -> Said:
    """Weigh what the latest plays (A, n), latest first, say, (A, n, W): (A, n * W)."""
    tracks, weights = neighbours
    trust = decay ** torch.arange(heard.shape[1], device=heard.device) * (heard != NO_TRACK)  # (A, n)
    return said(tracks.flatten(1), (weights * trust[:, :, None]).flatten(1))


def _best(totals: Tensor, k: int) -> Tensor:
    """Mark the k tracks with the highest totals above 0, of equals the lower ones: bool (A, V)."""
    order = totals.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(totals, dtype=torch.bool).scatter_(1, order, value=True) & (totals > 0)
