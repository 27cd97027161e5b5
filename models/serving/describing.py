"""Describing, compiled: the features of one anchor's candidates; see `models.serving.candidate_features`.

Logarithms are taken of all candidates at once: until `take_logarithms`, features hold what they are the logarithm of.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import inlined
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
from models.serving.logarithms import log

#: Plays ago of tracks that the ring does not hold.
NOT_HELD: Final = np.int32(1 << 30)

_ONE: Final = np.float32(1)
_SMOOTHING: Final = np.float32(SMOOTHING)
_LEAST_SHARE: Final = np.float32(LEAST_SHARE)
_LEAST_CLOSENESS: Final = np.float32(LEAST_CLOSENESS)


@inlined
def describe(
    tables: Tables, anchors: AnchorArrays, at: tuple[int, int], vocabulary: Vocabulary, collected: Collected
) -> None:
    """Describe candidates, whose numbers are in `collected.plays_ago`.

    Args:
        tables: of the release.
        anchors: what is known there.
        at: the number of the anchor and that of its pair, as `find_pair` returns it.
        vocabulary: of the anchor.
        collected: with the anchor's candidates.
    """
    anchor, pair = at
    begin, end = collected.bounds[anchor], collected.bounds[anchor + 1]
    features, evidence = collected.features, vocabulary.evidence
    current = max(anchors.heard[anchor, 0] - FIRST_TRACK, 0)
    num_followers, num_soon = tables.num_followers[current], tables.num_soon[current]
    num_after_pair = tables.num_pair_followers[pair] if pair >= 0 else np.float32(0)
    by_followers, by_soon = _ONE / (num_followers + _SMOOTHING), _ONE / (num_soon + _SMOOTHING)
    by_pair = _ONE / (num_after_pair + _SMOOTHING)
    for place in range(begin, end):
        number, track = collected.plays_ago[place], collected.tracks[place]
        popularity = tables.of_tracks[track, 0]
        lifted = (evidence[FOLLOWERS, number] * num_followers + _SMOOTHING * popularity) * by_followers
        features[2, place] = lifted
        features[3, place] = (evidence[PAIR, number] * num_after_pair + _SMOOTHING * lifted) * by_pair
        features[4, place] = (evidence[SOON_NOW, number] * num_soon + _SMOOTHING * popularity) * by_soon
        features[5, place] = evidence[SOON, number] + _LEAST_SHARE
        features[6, place] = evidence[NEAR, number] + _LEAST_CLOSENESS
        features[7, place] = evidence[RECENT, number] + _LEAST_CLOSENESS
        features[8, place] = evidence[CAME_NEXT, number] + _ONE
        features[9, place] = evidence[COUNTED, number] + _ONE
        features[10, place] = tables.of_tracks[track, 1]
        features[11, place] = tables.of_tracks[track, 2]
    _describe_by_score(tables, anchors, anchor, vocabulary, collected)
    for place in range(begin, end):
        _describe_by_ring(anchors, anchor, vocabulary.places[collected.plays_ago[place]], place, collected)
    for column in range(anchors.situations.shape[1]):
        for place in range(begin, end):
            features[18 + column, place] = anchors.situations[anchor, column]


@inlined
def _describe_by_score(
    tables: Tables, anchors: AnchorArrays, anchor: int, vocabulary: Vocabulary, collected: Collected
) -> None:
    """Describe an anchor's candidates by the first stage."""
    features, temperature, num_best = collected.features, tables.temperature, tables.limits.num_first_stage
    short_term = _normaliser(anchors.best_scores[0, anchor, :num_best], temperature)
    long_term = _normaliser(anchors.best_scores[1, anchor, :num_best], temperature)
    best = temperature * anchors.best_scores[0, anchor, 0] - short_term
    for place in range(collected.bounds[anchor], collected.bounds[anchor + 1]):
        held = vocabulary.places[collected.plays_ago[place]]
        first = second = np.float32(0)
        for component in range(anchors.tastes.shape[2]):
            item = tables.items[collected.tracks[place], component]
            first += item * anchors.tastes[0, anchor, component]
            second += item * anchors.tastes[1, anchor, component]
        if held >= 0:
            first += anchors.terms[0, anchor, held]
            second += anchors.terms[1, anchor, held]
        features[0, place] = temperature * first - short_term
        features[1, place] = temperature * second - long_term
        features[12, place] = best


@inlined
def find_pair(tables: Tables, heard: NDArray[np.int64]) -> int:
    """Find the counts of the two latest tracks; -1 where there are none."""
    if len(heard) < 2 or heard[1] == PAD or not len(tables.pair_keys):
        return -1
    key = (heard[1] - FIRST_TRACK) * len(tables.of_tracks) + heard[0] - FIRST_TRACK
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
def take_logarithms(features: NDArray[np.float32], num: int) -> None:
    """Turn what features are the logarithm of into them: features (F, R), of which the first `num` are used."""
    for row in range(2, 10):
        for place in range(num):
            features[row, place] = log(features[row, place])
    for row in range(2, 5):  # shares become log lifts
        for place in range(num):
            features[row, place] -= features[10, place]
    for place in range(num):
        features[17, place] = log(features[17, place])
