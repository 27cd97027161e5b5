"""The second stage's candidates, laid out plainly: for every anchor, arrays as long as the catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.config import RerankerConfig
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.candidate_features import LEAST_CLOSENESS, LEAST_SHARE, SMOOTHING
from models.serving.moments import Moments
from models.serving.neighbours import NeighbourTable
from models.serving.sources import Sources

Floats = NDArray[np.float64]


class Expected(NamedTuple):
    """The candidates of one anchor, rising, and their features (R, F)."""

    tracks: NDArray[np.int64]
    features: Floats


def expected_at(config: RerankerConfig, sources: Sources, moments: Moments, anchor: int) -> Expected:
    num_tracks = sources.num_tracks
    heard = [row - FIRST_TRACK for row in moments.heard[anchor].tolist() if row != PAD]
    followers, soon_now, pair_followers = (np.zeros(num_tracks) for _ in range(3))
    num_followers = num_soon = num_after_pair = 0.0
    if heard:
        followers = spread(sources.followers, heard[0], num_tracks)
        soon_now = spread(sources.soon, heard[0], num_tracks)
    current = heard[0] if heard else 0
    num_followers, num_soon = float(sources.num_followers[current]), float(sources.num_soon[current])
    if len(heard) > 1 and heard[1] * num_tracks + heard[0] in sources.pair_keys.tolist():
        pair = sources.pair_keys.tolist().index(heard[1] * num_tracks + heard[0])
        pair_followers = spread(sources.pair_followers, pair, num_tracks)
        num_after_pair = float(sources.num_pair_followers[pair])
    soon = decayed(sources.soon, heard[: config.num_followed], config.follower_decay, num_tracks)
    companions = [
        decayed(sources.companions, heard[: config.num_accompanied], decay, num_tracks)
        for decay in config.companion_decays
    ]
    came_next = np.zeros(num_tracks)
    for later, earlier in itertools.pairwise(heard):
        came_next[later] += earlier == heard[0]
    counted = personal_counts(moments, anchor, num_tracks)

    items = moments.items.double().numpy()
    scores = [items @ taste[anchor].double().numpy() for taste in moments.tastes]
    ring = {row - FIRST_TRACK: place for place, row in enumerate(moments.ring_rows[anchor].tolist()) if row != PAD}
    for each, terms in zip(scores, moments.terms, strict=True):
        for track, place in ring.items():
            each[track] += float(terms[anchor, place])
    num_best = moments.best.tracks.shape[2]
    proposed: list[Iterable[int]] = [ring, np.flatnonzero(counted), np.flatnonzero(pair_followers)]
    proposed += [best(each, num_best, above_0=False) for each in scores]
    proposed += [best(each, config.num_counted) for each in (followers, soon, *companions)]
    if not heard:
        proposed.append(best(sources.log_popularity_of_late.double().numpy(), num_best, above_0=False))
    tracks = np.array(sorted({int(track) for each in proposed for track in each}), np.int64)

    temperature = float(moments.temperature)
    normalisers = [logsumexp(np.sort(temperature * each)[::-1][: config.num_first_stage]) for each in scores]
    popularity = np.exp(sources.log_popularity.double().numpy())
    lift = (followers * num_followers + SMOOTHING * popularity) / (num_followers + SMOOTHING)
    after_pair = (pair_followers * num_after_pair + SMOOTHING * lift) / (num_after_pair + SMOOTHING)
    lift_soon = (soon_now * num_soon + SMOOTHING * popularity) / (num_soon + SMOOTHING)
    columns = [
        *(temperature * each - normaliser for each, normaliser in zip(scores, normalisers, strict=True)),
        *(np.log(each / popularity) for each in (lift, after_pair, lift_soon)),
        np.log(soon + LEAST_SHARE),
        *(np.log(each + LEAST_CLOSENESS) for each in companions),
        np.log1p(came_next),
        np.log1p(counted),
        np.log(popularity),
        sources.log_popularity_of_late.double().numpy(),
        np.full(num_tracks, temperature * scores[0].max() - normalisers[0]),
    ]
    features = np.stack([column[tracks] for column in columns], axis=1)
    of_moment = np.broadcast_to(moments.situations[anchor].numpy(), (len(tracks), 5))
    return Expected(
        tracks, np.concatenate([features, ring_features(moments, anchor, tracks.tolist(), ring), of_moment], axis=1)
    )


def personal_counts(moments: Moments, anchor: int, num_tracks: int) -> Floats:
    counted = np.zeros(num_tracks)
    for row, count in zip(moments.counted_rows[anchor].tolist(), moments.counts[anchor].tolist(), strict=True):
        if row != PAD:
            counted[row - FIRST_TRACK] += count
    return counted


def ring_features(moments: Moments, anchor: int, tracks: list[int], ring: dict[int, int]) -> Floats:
    groups, plays_ago = moments.ring_groups[anchor].tolist(), moments.plays_ago[anchor].tolist()
    features = np.zeros((len(tracks), 5))
    for number, track in enumerate(tracks):
        if track in ring:
            group, ago = groups[ring[track]], plays_ago[ring[track]]
            features[number] = 1, group // 12, group // 3 % 4, group % 3 == 2, np.log(ago + 1)
    return features


def spread(table: NeighbourTable, row: int, num_tracks: int) -> Floats:
    weights = np.zeros(num_tracks)
    part = slice(int(table.starts[row]), int(table.starts[row + 1]))
    np.add.at(weights, table.tracks[part].long().numpy(), table.weights[part].double().numpy())
    return weights


def decayed(table: NeighbourTable, heard: list[int], decay: float, num_tracks: int) -> Floats:
    parts = (decay**ago * spread(table, track, num_tracks) for ago, track in enumerate(heard))
    return sum(parts, np.zeros(num_tracks))


def best(scores: Floats, k: int, *, above_0: bool = True) -> NDArray[np.int64]:
    order = np.argsort(-scores, kind="stable")[:k]
    return order[scores[order] > 0] if above_0 else order


def logsumexp(logits: Floats) -> float:
    return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max())
