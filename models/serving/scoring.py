"""Scoring, compiled: the network of the second stage over the features of candidates, and the best of each anchor."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, compiled_products, inlined
from models.config import HORIZONS
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.kernel_arrays import BestArrays, Collected
from models.serving.levels import level_of, order

_TRACK_BITS: Final = 0xFFFFFFFF
_LEAST_LEVEL: Final = np.int32(-(1 << 31))
_IN_NO_LIST: Final = np.int32(-1)  # plays ago; however few plays are masked, it is fewer
LANES: Final = 128
"""Candidates at a time: their features and units fit a processor's first cache."""


class ScoringWeights(NamedTuple):
    """The weights of a second stage, to which the scaling of features has been added; U units, F features.

    Attributes:
        first: float32 (U, F); F, U and the two outputs are padded with zeros to multiples of four, here and below.
        first_biases: float32 (U,).
        second: float32 (U, U).
        second_biases: float32 (U,).
        last: float32 (4, U).
        linear: float32 (4, F).
        last_biases: float32 (4,).
    """

    first: NDArray[np.float32]
    first_biases: NDArray[np.float32]
    second: NDArray[np.float32]
    second_biases: NDArray[np.float32]
    last: NDArray[np.float32]
    linear: NDArray[np.float32]
    last_biases: NDArray[np.float32]


@compiled_products
def score(weights: ScoringWeights, features: NDArray[np.float32], num: int) -> NDArray[np.float32]:
    """Score candidates: features (F, R), of which the first `num` are used, to float32 (2, num)."""
    scores = np.empty((len(HORIZONS), num), np.float32)
    block = np.empty((len(features), LANES), np.float32)
    first = np.empty((len(weights.first), LANES), np.float32)
    second = np.empty((len(weights.second), LANES), np.float32)
    both = np.empty((len(weights.last), LANES), np.float32)
    for begin in range(0, num, LANES):
        lanes = min(LANES, num - begin)
        for row in range(len(block)):
            block[row, :lanes] = features[row, begin : begin + lanes]
        layer(first, weights.first, weights.first_biases, block)
        cut_at_0(first)
        layer(second, weights.second, weights.second_biases, first)
        cut_at_0(second)
        layer(both, weights.last, weights.last_biases, second)
        _add_rows(both, weights.linear, block)
        for horizon in range(len(scores)):
            scores[horizon, begin : begin + lanes] = both[horizon, :lanes]
    return scores


@inlined
def layer(
    outputs: NDArray[np.float32], weights: NDArray[np.float32], biases: NDArray[np.float32], rows: NDArray[np.float32]
) -> None:
    """Compute outputs (m, lanes) = weights (m, n) @ rows (n, lanes) + biases (m,)."""
    for output in range(len(outputs)):
        for lane in range(LANES):
            outputs[output, lane] = biases[output]
    _add_rows(outputs, weights, rows)


@inlined
def _add_rows(outputs: NDArray[np.float32], weights: NDArray[np.float32], rows: NDArray[np.float32]) -> None:
    """Add weights (m, n) @ rows (n, lanes) to outputs (m, lanes); m and n are multiples of four.

    Four rows for four outputs at once: sixteen products for eight loads keep the multipliers busy, and all weights stay
    in registers.
    """
    for output in range(0, len(outputs), 4):
        for row in range(0, len(rows), 4):
            a0, a1, a2, a3 = _four(weights, output, row)
            b0, b1, b2, b3 = _four(weights, output + 1, row)
            c0, c1, c2, c3 = _four(weights, output + 2, row)
            d0, d1, d2, d3 = _four(weights, output + 3, row)
            for lane in range(LANES):
                r0, r1, r2, r3 = rows[row, lane], rows[row + 1, lane], rows[row + 2, lane], rows[row + 3, lane]
                outputs[output, lane] = outputs[output, lane] + a0 * r0 + a1 * r1 + a2 * r2 + a3 * r3
                outputs[output + 1, lane] = outputs[output + 1, lane] + b0 * r0 + b1 * r1 + b2 * r2 + b3 * r3
                outputs[output + 2, lane] = outputs[output + 2, lane] + c0 * r0 + c1 * r1 + c2 * r2 + c3 * r3
                outputs[output + 3, lane] = outputs[output + 3, lane] + d0 * r0 + d1 * r1 + d2 * r2 + d3 * r3


@inlined
def _four(weights: NDArray[np.float32], output: int, row: int) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    return weights[output, row], weights[output, row + 1], weights[output, row + 2], weights[output, row + 3]


@inlined
def cut_at_0(outputs: NDArray[np.float32]) -> None:
    """Replace what is below 0 by 0."""
    for output in range(len(outputs)):
        for lane in range(LANES):
            outputs[output, lane] = max(outputs[output, lane], np.float32(0))


@compiled
def write_best(
    collected: Collected,
    scores: tuple[NDArray[np.float32], NDArray[np.float32]],
    anchors: tuple[int, int, NDArray[np.int64]],
    num_masked: int,
    lists: BestArrays,
) -> None:
    """Write the lists of some anchors for a horizon, best first; of equals, the lower track first.

    Args:
        collected: their candidates.
        scores: float32 (R,) of each candidate; float32 (M, 3) of each track, the last column for anchors without a
            known play.
        anchors: the first one, the one behind the last, and of all A what was heard, int64 (A, P).
        num_masked: the tracks of how many of the latest plays are left out.
        lists: empty ones of all A anchors, written.
    """
    first, behind, heard = anchors
    size = lists.tracks.shape[1]
    room = collected.bounds[behind] + 1
    of_candidates, keys = np.empty((1, room), np.float32), np.empty(room, np.int64)
    bits = of_candidates.view(np.int32)
    for anchor in range(first, behind):
        begin, num = collected.bounds[anchor], 0
        for place in range(begin, collected.bounds[anchor + 1]):
            track = collected.tracks[place]
            its_score = scores[1][track, 2] if heard[anchor, 0] == PAD else scores[0][place]
            of_candidates[0, num] = its_score + np.float32(0)  # -0.0 equals 0.0
            keys[num] = ~track & _TRACK_BITS
            num += collected.plays_ago[place] >= num_masked
        for place in range(num):
            bits[0, place] = order(bits[0, place])
        level = level_of(bits, 0, num, size) if num > size else _LEAST_LEVEL
        held = 0
        for place in range(num):
            keys[held] = (np.int64(bits[0, place]) << 32) | keys[place]
            held += bits[0, place] >= level
        _write_list(keys, held, lists.tracks[anchor], lists.scores[anchor].view(np.int32))


@inlined
def _write_list(keys: NDArray[np.int64], num: int, tracks: NDArray[np.int64], bits: NDArray[np.int32]) -> None:
    """Write the best of some keys: ordered bits of a score above those of the track, inverted."""
    keys[:num].sort()
    for rank in range(min(num, len(tracks))):
        key = keys[num - 1 - rank]
        tracks[rank] = ~key & _TRACK_BITS
        bits[rank] = order(np.int32(key >> 32))


@inlined
def leave_out(collected: Collected, num: int, withdrawn: NDArray[np.bool_]) -> None:
    """Leave withdrawn tracks out of all lists: they were described as candidates, and are no longer any."""
    if len(withdrawn) > 0:
        for place in range(num):
            if withdrawn[collected.tracks[place]]:
                collected.plays_ago[place] = _IN_NO_LIST


@compiled
def finish(lists: BestArrays) -> None:
    """Turn tracks into catalogue rows and scores into relative likelihoods, in place; see `relative_likelihoods`."""
    tracks, scores = lists
    for anchor in range(len(tracks)):
        best = scores[anchor, 0]
        for rank in range(tracks.shape[1]):
            is_there = tracks[anchor, rank] >= 0
            tracks[anchor, rank] = tracks[anchor, rank] + FIRST_TRACK if is_there else PAD
            scores[anchor, rank] = np.exp(scores[anchor, rank] - best) if is_there else np.float32(0)
