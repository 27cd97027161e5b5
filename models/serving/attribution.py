"""Attribution: how much each group of features contributes to a score, by the Shapley value of the groups.

A coalition of groups scores a candidate with the features of its groups, and a baseline in place of all others. What a
group contributes is the mean of what it adds, over all orders in which the groups can join. So contributions add up to
the score of the candidate less that of the baseline, exactly but for rounding, however features interact; replacing one
group at a time by its mean would count what two groups do together twice, or not at all.

Source: Shapley 1953; Lundberg and Lee 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def attribute(
    score: Callable[[Tensor], Tensor], features: Tensor, baseline: Tensor, groups: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Divide scores among groups of features; the cost doubles with each group.

    Args:
        score: float32 (R, F) to (R, K), row by row.
        features: float32 (n, F).
        baseline: float32 (F,).
        groups: G of them, disjoint; features in no group keep their values.

    Returns:
        float64 (n, G, K), which add up to score(features) - score(baseline) over the groups.
    """
    num, coalitions = len(features), coalitions_of(len(groups))
    held = np.ones((len(coalitions), features.shape[1]), np.bool_)
    for group, columns in enumerate(groups):
        held[:, columns] = coalitions[:, group, None] == 1
    mixed = features[:, None].where(torch.from_numpy(held).to(features.device), baseline)  # (n, C, F)
    scores = score(mixed.flatten(0, 1)).double().cpu().numpy().reshape(num, len(coalitions), -1)  # (n, C, K)
    contributions: NDArray[np.float64] = np.einsum("cg,nck->ngk", weights_of(coalitions), scores)
    return contributions


def coalitions_of(num_groups: int) -> NDArray[np.int64]:
    """List the coalitions of groups: int64 (C, G), 1 where the group is in it; group g is bit g of the number."""
    return (np.arange(1 << num_groups)[:, None] >> np.arange(num_groups)) & 1


def weights_of(coalitions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh the score of each coalition (C, G) in what each group contributes: above 0 where the group is in it."""
    num_groups = coalitions.shape[1]
    orders = [factorial(size) * factorial(num_groups - 1 - size) for size in range(num_groups)]
    shares = np.array(orders, np.float64) / factorial(num_groups)  # by how many joined before
    sizes = coalitions.sum(1)[:, None]  # (C, 1)
    joined = shares[np.clip(sizes - 1, 0, num_groups - 1)]
    absent = shares[np.clip(sizes, 0, num_groups - 1)]
    weights: NDArray[np.float64] = np.where(coalitions == 1, joined, -absent)
    return weights
