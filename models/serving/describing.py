"""Describing, compiled: the features of one anchor's candidates; see `models.serving.candidate_features`.

Logarithms are left to numpy, which takes those of many numbers ten times as fast: until `finish_features`, the features
of `LOGARITHMS` hold what they are the logarithm of.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled_sums, inlined
from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS
from models.serving.candidate_features import LEAST_CLOSENESS, LEAST_SHARE, SMOOTHING
from models.serving.kernel_arrays import (
    CAME_NEXT,
    COUNTED,
    FOLLOWERS,
    NEAR,
    PAIR,
    RECENT,
    SOON,
    SOON_NOW,
    AnchorArrays,
    Collected,
    Tables,
    Vocabulary,
)

LOGARITHMS: Final = (slice(2, 10), slice(17, 18))

#: Plays ago of tracks that the ring does not hold.
NOT_HELD: Final = np.int32(1 << 30)

_ONE: Final = np.float32(1)
_SMOOTHING: Final = np.float32(SMOOTHING)
_LEAST_SHARE: Final = np.float32(LEAST_SHARE)
_LEAST_CLOSENESS: Final = np.float32(LEAST_CLOSENESS)


@inlined
def describe(tables: Tables, anchors: AnchorArrays, anchor: int, vocabulary: Vocabulary, collected: Collected) -> None:
    """Describe an anchor's candidates, whose numbers are in `collected.plays_ago`."""
    begin, end = collected.bounds[anchor], collected.bounds[anchor + 1]
    pair, temperature, num_best = (
        find_pair(tables, anchors.heard[anchor]),
        tables.temperature,
        tables.limits.num_first_stage,
    )
    current = max(anchors.heard[anchor, 0] - FIRST_TRACK, 0)
    num_followers, num_soon = tables.num_followers[current], tables.num_soon[current]
    num_after_pair = tables.num_pair_followers[pair] if pair >= 0 else np.float32(0)
    short_term = _normaliser(anchors.best_scores[0, anchor, :num_best], temperature)
    long_term = _normaliser(anchors.best_scores[1, anchor, :num_best], temperature)
    best = temperature * anchors.best_scores[0, anchor, 0] - short_term
    features = collected.features
    for place in range(begin, end):
        number, track = collected.plays_ago[place], collected.tracks[place]
        held = vocabulary.places[number]
        first, second = _cosines(tables.items[track], anchors.tastes[0, anchor], anchors.tastes[1, anchor])
        if held >= 0:
            first += anchors.terms[0, anchor, held]
            second += anchors.terms[1, anchor, held]
        features[0, place] = temperature * first - short_term
        features[1, place] = temperature * second - long_term
        evidence = vocabulary.evidence[number]
        popularity = np.exp(tables.log_popularity[track])
        lifted = (evidence[FOLLOWERS] * num_followers + _SMOOTHING * popularity) / (num_followers + _SMOOTHING)
        features[2, place] = lifted
        features[3, place] = (evidence[PAIR] * num_after_pair + _SMOOTHING * lifted) / (num_after_pair + _SMOOTHING)
        features[4, place] = (evidence[SOON_NOW] * num_soon + _SMOOTHING * popularity) / (num_soon + _SMOOTHING)
        features[5, place] = evidence[SOON] + _LEAST_SHARE
        features[6, place] = evidence[NEAR] + _LEAST_CLOSENESS
        features[7, place] = evidence[RECENT] + _LEAST_CLOSENESS
        features[8, place] = evidence[CAME_NEXT] + _ONE
        features[9, place] = evidence[COUNTED] + _ONE
        features[10, place] = tables.log_popularity[track]
        features[11, place] = tables.log_popularity_of_late[track]
        features[12, place] = best
        _describe_by_ring(anchors, anchor, held, place, collected)
        for column in range(anchors.situations.shape[1]):
            features[18 + column, place] = anchors.situations[anchor, column]


@inlined
def find_pair(tables: Tables, heard: NDArray[np.int64]) -> int:
    """Find the counts of the two latest tracks; -1 where there are none."""
    if len(heard) < 2 or heard[1] == PAD or not len(tables.pair_keys):
        return -1
    key = (heard[1] - FIRST_TRACK) * len(tables.log_popularity) + heard[0] - FIRST_TRACK
    pair = np.searchsorted(tables.pair_keys, key)
    return pair if pair < len(tables.pair_keys) and tables.pair_keys[pair] == key else -1


@inlined
def _describe_by_ring(anchors: AnchorArrays, anchor: int, held: int, place: int, collected: Collected) -> None:
    """Describe a candidate by its place in the ring; -1 where the ring does not hold it."""
    features = collected.features
    if held < 0:
        collected.plays_ago[place] = NOT_HELD
        features[13:17, place] = np.float32(0)
        features[17, place] = _ONE
        return
    group = anchors.ring_groups[anchor, held]
    collected.plays_ago[place] = anchors.plays_ago[anchor, held]
    features[13, place] = _ONE
    features[14, place] = group // (NUM_COUNTS * NUM_BIGRAMS)
    features[15, place] = group // NUM_BIGRAMS % NUM_COUNTS
    features[16, place] = np.float32(group % NUM_BIGRAMS == 2)
    features[17, place] = anchors.plays_ago[anchor, held] + _ONE


@inlined
def _normaliser(scores: NDArray[np.float32], temperature: np.float32) -> np.float32:
    """Compute the logarithm of the sum of exp(logit): scores (n,), best first, -inf behind."""
    total = np.float32(0)
    for score in scores:
        total += np.exp(temperature * (score - scores[0]))
    normaliser: np.float32 = temperature * scores[0] + np.log(total)
    return normaliser


@inlined
def _cosines(
    item: NDArray[np.float32], first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[np.float32, np.float32]:
    of_first = of_second = np.float32(0)
    for place in range(len(item)):
        of_first += item[place] * first[place]
        of_second += item[place] * second[place]
    return of_first, of_second


@compiled_sums
def finish_features(features: NDArray[np.float32], num: int) -> None:
    """Turn logarithms of shares into log lifts: features (F, R), of which the first `num` are used."""
    for row in range(2, 5):
        for place in range(num):
            features[row, place] -= features[10, place]
