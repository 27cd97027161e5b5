"""Attribution, compiled: what `models.serving.attribution` computes, of the network of a second stage.

The first layer is a sum over groups, so a coalition differs from one without its last group by that group's part. What
is linear in the features needs no coalitions. The other two layers are computed of as many coalitions at once as
`models.serving.scoring` computes candidates.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled_products, inlined
from models.config import HORIZONS
from models.serving.scoring import LANES, ScoringWeights, cut_at_0, layer

_BITS: Final = 7  # of the number of a lane

assert 1 << _BITS == LANES


@compiled_products
def attribute_scores(
    weights: ScoringWeights,
    features: NDArray[np.float32],
    baseline: NDArray[np.float32],
    groups: NDArray[np.int64],
    of_coalitions: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Divide the scores of candidates among groups of features.

    Args:
        weights: of the network.
        features: float32 (n, F).
        baseline: float32 (F,).
        groups: int64 (F,), the group of each feature; -1 for those that keep their values.
        of_coalitions: float64 (C, G), as `weights_of` returns them.

    Returns:
        float64 (n, G, 2).
    """
    num_groups, num_units = of_coalitions.shape[1], len(weights.first)
    contributions = np.zeros((len(features), num_groups, len(HORIZONS)))
    base, parts = np.empty(num_units, np.float32), np.empty((max(num_groups, _BITS), num_units), np.float32)
    first, second = np.empty((num_units, LANES), np.float32), np.empty((num_units, LANES), np.float32)
    both, sums = np.empty((len(weights.last), LANES), np.float32), np.empty((len(HORIZONS), num_groups))
    for candidate in range(len(features)):
        _divide_first_layer(weights, features[candidate], baseline, groups, (base, parts))
        sums[:] = 0
        for begin in range(0, len(of_coalitions), LANES):
            _add_parts(first, base, parts, begin)
            cut_at_0(first)
            layer(second, weights.second, weights.second_biases, first)
            cut_at_0(second)
            layer(both, weights.last, weights.last_biases, second)
            for lane in range(min(LANES, len(of_coalitions) - begin)):
                for horizon in range(len(HORIZONS)):
                    for group in range(num_groups):
                        sums[horizon, group] += of_coalitions[begin + lane, group] * both[horizon, lane]
        contributions[candidate] = sums.T
        for feature in range(len(baseline)):
            if groups[feature] >= 0:
                difference = features[candidate, feature] - baseline[feature]
                for horizon in range(len(HORIZONS)):
                    contributions[candidate, groups[feature], horizon] += weights.linear[horizon, feature] * difference
    return contributions


@inlined
def _divide_first_layer(
    weights: ScoringWeights,
    features: NDArray[np.float32],
    baseline: NDArray[np.float32],
    groups: NDArray[np.int64],
    layers: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Compute the first layer of a candidate without any group, (U,), and what each group adds, (G or more, U)."""
    base, parts = layers
    base[:], parts[:] = weights.first_biases, np.float32(0)
    for feature in range(len(baseline)):
        group = groups[feature]
        if group < 0:
            for unit in range(len(base)):
                base[unit] += weights.first[unit, feature] * features[feature]
            continue
        difference = features[feature] - baseline[feature]
        for unit in range(len(base)):
            base[unit] += weights.first[unit, feature] * baseline[feature]
            parts[group, unit] += weights.first[unit, feature] * difference


@inlined
def _add_parts(first: NDArray[np.float32], base: NDArray[np.float32], parts: NDArray[np.float32], begin: int) -> None:
    """Add up the first layer of as many coalitions as there are lanes, from one on: (U, lanes)."""
    first[:, 0] = base
    for group in range(_BITS, len(parts)):
        if begin >> group & 1:
            first[:, 0] += parts[group]
    for bit in range(_BITS):
        width = 1 << bit
        for unit in range(len(first)):
            for lane in range(width):
                first[unit, width + lane] = first[unit, lane] + parts[bit, unit]
