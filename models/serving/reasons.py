"""Reasons: why each track is in the lists of one listener, in numbers.

    first stage     score = cosine with the taste vector of the horizon + ring term, if the ring holds the track
                    the ring term = weights of how recently, how often and after what it was played
                    and how much lower the score is without each track of the ring (`leaving_out`)
    counts          what the counts of the release and those of the listener say: the features, as shares and times
    second stage    logit = that of the listener's mean candidate + what each group of features adds (`attribution`)

Nothing of this is on the way of a play: it is computed on request, for one listener. That is some 70 tracks with
hundreds of terms, so terms are named tuples, which are made in a third of the time that frozen dataclasses take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS, NUM_RECENCIES
from models.serving.asking import KnownAtAnchors, ask
from models.serving.attribution import attribute
from models.serving.candidate_features import LEAST_CLOSENESS, LEAST_SHARE
from models.serving.compiled_reranker import CompiledReranker
from models.serving.leaving_out import Losses, leave_out
from models.serving.moments import Moments
from models.serving.recommender import Recommender
from models.serving.reranker import Candidates, Reranker
from models.serving.step import known_at_anchors, num_best_of
from models.serving.step_input import StepInput

#: Groups of features, by their columns in FEATURES. Those of the moment are the same for all candidates of a listener.
GROUPS: Final = {
    "taste": (0, 1, 12),
    "ring": (13, 14, 15, 16, 17),
    "after current": (2, 4),
    "after last two": (3,),
    "after latest": (5,),
    "same sessions": (6, 7),
    "own plays": (8, 9),
    "popularity": (10, 11),
}

MOST_BECAUSE: Final = 3
"""Played tracks that are named as the reason for a listed one, at most."""


class RingTerm(NamedTuple):
    """What the ring adds to the score of a track that it holds: `total`, of which the others are the three parts.

    The parts are None in architectures that weigh the ring otherwise.
    """

    plays_ago: int
    total: float
    recency: float | None = None
    times: float | None = None
    bigram: float | None = None


class Because(NamedTuple):
    """A played track without which the score of the listed one would be lower by `loss`."""

    row: int
    plays_ago: int
    loss: float


class Counted(NamedTuple):
    """What counts say of a candidate.

    Attributes:
        lift_after_current: how many times as often it came right after the current track as it is played at all.
        lift_after_last_two: right after the current track and the one before.
        lift_soon_after_current: soon after the current track.
        share_after_latest: its share of what came soon after the latest tracks, weighted.
        closeness_latest: to the latest tracks, by sessions in common.
        closeness_recent: to recent tracks.
        times_next: how often this listener played it right after the current track.
        own_plays: this listener's plays of it, older ones counting less.
        popularity: its share of all plays.
        popularity_of_late: its share of recent plays.
    """

    lift_after_current: float
    lift_after_last_two: float
    lift_soon_after_current: float
    share_after_latest: float
    closeness_latest: float
    closeness_recent: float
    times_next: float
    own_plays: float
    popularity: float
    popularity_of_late: float


class SecondStage(NamedTuple):
    """The logit of a candidate: `mean`, that of the listener's mean candidate, and what each of GROUPS adds to it."""

    logit: float
    mean: float
    contributions: dict[str, float]


class Reason(NamedTuple):
    """Why a track is in a list.

    Attributes:
        row: of the catalogue.
        cosine: with the taste vector of the list's horizon.
        ring: None if the ring does not hold the track.
        because: the played tracks without which the score would fall most.
        counted: None without a second stage.
        second_stage: None without one, and for listeners without a known play, whose lists are by popularity.
    """

    row: int
    cosine: float
    ring: RingTerm | None
    because: tuple[Because, ...]
    counted: Counted | None
    second_stage: SecondStage | None

    @property
    def score(self) -> float:
        """The score of the first stage."""
        return self.cosine + (self.ring.total if self.ring else 0.0)


class _Known(NamedTuple):
    """What reasons are read from, at the one anchor."""

    at_anchor: KnownAtAnchors
    moments: Moments
    losses: Losses
    counted: dict[int, Counted]
    second_stage: dict[int, tuple[SecondStage, ...]]


def explain(
    recommender: Recommender,
    step_input: StepInput,
    lists: Sequence[NDArray[np.int64]],
    *,
    heard_masked: tuple[int, ...] = (0, 0),
) -> tuple[tuple[Reason, ...], ...]:
    """Say why tracks are in lists.

    Args:
        recommender: ranked them.
        step_input: of one listener, with the one anchor after which the lists were made.
        lists: catalogue rows int64 (k,) of each horizon, best first, PAD in empty places.
        heard_masked: as the step had it.

    Returns:
        For each horizon, a reason per track.
    """
    sizes = tuple(len(rows) for rows in lists)
    with torch.inference_mode():
        at_anchor = known_at_anchors(recommender, step_input)
        moments = ask(recommender, at_anchor, num_best_of(recommender, sizes, heard_masked))
        rows = np.unique(np.concatenate(lists))
        rows = rows[rows != PAD]
        tracks = rows - FIRST_TRACK
        counted, second_stage = _read_candidates(recommender, moments, tracks)
        ring = step_input.histories.remembered(step_input.anchors)
        known = _Known(at_anchor, moments, leave_out(recommender, ring, tracks), counted, second_stage)
        return tuple(_reasons(recommender, known, horizon, rows, listed) for horizon, listed in enumerate(lists))


def _reasons(
    recommender: Recommender, known: _Known, horizon: int, rows: NDArray[np.int64], listed: NDArray[np.int64]
) -> tuple[Reason, ...]:
    """Explain the tracks of a list; the losses are those of the tracks in `rows`, which rise."""
    listed = listed[listed != PAD]
    items = known.moments.items[torch.from_numpy(listed - FIRST_TRACK).to(known.moments.items.device)]
    cosines = (items @ known.moments.tastes[horizon, 0]).tolist()
    because_of = _because(known.losses, known.losses.of_scores[horizon][:, np.searchsorted(rows, listed)])
    ring = _ring_terms(recommender, known, horizon)
    reasons = []
    for row, because, cosine in zip(listed.tolist(), because_of, cosines, strict=True):
        second_stage = known.second_stage[row][horizon] if row in known.second_stage else None
        reasons.append(Reason(row, cosine, ring.get(row), because, known.counted.get(row), second_stage))
    return tuple(reasons)


def _ring_terms(recommender: Recommender, known: _Known, horizon: int) -> dict[int, RingTerm]:
    """Return the ring term of each track that the ring holds, by its row."""
    rings, network = known.at_anchor.rings, recommender.network
    totals = known.moments.terms[horizon, 0].tolist()
    weights: list[float] | None = None
    if isinstance(network, TasteNetwork):
        read = network.read(known.at_anchor.hidden)
        weighed = network.ring_weights[horizon] + (read @ network.ring_gates[horizon])[0]
        weights = (weighed / network.temperature).tolist()
    terms = {}
    for row, group, ago, total in zip(
        rings.rows[0].tolist(), rings.groups[0].tolist(), rings.plays_ago[0].tolist(), totals, strict=True
    ):
        if row != PAD:
            terms[row] = RingTerm(ago, total, *(() if weights is None else _parts(weights, group)))
    return terms


def _parts(weights: Sequence[float], group: int) -> tuple[float, float, float]:
    """Return the weights of a group's recency, plays and bigram, see `RingWindows.groups`."""
    times, bigram = group // NUM_BIGRAMS % NUM_COUNTS, group % NUM_BIGRAMS
    after_recencies = weights[NUM_RECENCIES:]
    return weights[group // (NUM_COUNTS * NUM_BIGRAMS)], after_recencies[times], after_recencies[NUM_COUNTS + bigram]


def _because(losses: Losses, of_tracks: NDArray[np.float64]) -> list[tuple[Because, ...]]:
    """Name the played tracks with the largest losses above 0, of equals the later one, for each track of (D, n)."""
    of_tracks = np.ascontiguousarray(of_tracks.T)  # (n, D)
    order = np.argsort(-of_tracks, axis=1, kind="stable")[:, :MOST_BECAUSE]
    largest = np.take_along_axis(of_tracks, order, axis=1).tolist()
    rows, plays_ago = losses.rows[order].tolist(), losses.plays_ago[order].tolist()
    return [
        tuple(Because(*each) for each in zip(*of_track, strict=True) if each[-1] > 0)
        for of_track in zip(rows, plays_ago, largest, strict=True)
    ]


def _read_candidates(
    recommender: Recommender, moments: Moments, tracks: NDArray[np.int64]
) -> tuple[dict[int, Counted], dict[int, tuple[SecondStage, ...]]]:
    """Return what is known of listed tracks as candidates of the second stage, by row; nothing without one."""
    reranker = recommender.reranker
    if reranker is None:
        return {}, {}
    proposer = recommender.compiled_reranker
    candidates = reranker.propose(moments, recommender.withdrawn) if proposer is None else proposer.propose(moments)
    places = np.flatnonzero(np.isin(candidates.tracks.cpu().numpy(), tracks))
    rows = (candidates.tracks[places] + FIRST_TRACK).tolist()
    counted = dict(zip(rows, _counted(candidates.features[places]), strict=True))
    if int(moments.heard[0, 0]) == PAD:
        return counted, {}
    return counted, dict(zip(rows, _second_stages(proposer or reranker, candidates, places), strict=True))


def _second_stages(
    scorer: Reranker | CompiledReranker, candidates: Candidates, places: NDArray[np.int64]
) -> list[tuple[SecondStage, ...]]:
    """Divide the logits of some candidates among the groups of features: one per horizon each."""
    features, mean, groups = candidates.features[places], candidates.features.mean(0), list(GROUPS.values())
    of_mean, *logits = scorer.score(torch.cat([mean[None], features])).tolist()
    if isinstance(scorer, CompiledReranker):
        contributions = scorer.attribute(features, mean, groups)
    else:
        contributions = attribute(scorer.score, features, mean, groups)
    shares = contributions.transpose(0, 2, 1).tolist()
    return [
        tuple(
            SecondStage(logit, at_mean, dict(zip(GROUPS, parts, strict=True)))
            for logit, at_mean, parts in zip(of_track, of_mean, of_groups, strict=True)
        )
        for of_track, of_groups in zip(logits, shares, strict=True)
    ]


def _counted(features: Tensor) -> list[Counted]:
    """Undo the logarithms of candidates' features (n, F)."""
    counted = np.exp(features[:, 2:12].double().cpu().numpy())  # (n, 10), in the order of the columns of `Counted`
    counted[:, 3] = np.maximum(0.0, counted[:, 3] - LEAST_SHARE)
    counted[:, 4:6] = np.maximum(0.0, counted[:, 4:6] - LEAST_CLOSENESS)
    counted[:, 6:8] -= 1
    return [Counted(*each) for each in counted.tolist()]
