from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from models.serving.attribution import attribute

GROUPS = [(0, 2), (1,), (4,)]


def score(features: Tensor) -> Tensor:
    """Two scores in which features of different groups interact."""
    first = features[:, 0] * features[:, 1] + features[:, 2].relu() * features[:, 4] + features[:, 3]
    return torch.stack([first, features.sum(1) ** 2], dim=1)


def test_contributions_are_the_mean_over_all_orders_in_which_groups_join() -> None:
    features, baseline = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0.1] * 5)

    contributions = attribute(score, features, baseline, GROUPS)

    expected = np.zeros((6, len(GROUPS), 2))
    orders = list(permutations(range(len(GROUPS))))
    for order in orders:
        mixed = features.clone()
        mixed[:, [column for group in GROUPS for column in group]] = 0.1
        for group in order:
            before = score(mixed)
            mixed[:, GROUPS[group]] = features[:, GROUPS[group]]
            expected[:, group] += (score(mixed) - before).numpy() / len(orders)
    np.testing.assert_allclose(contributions, expected, atol=1e-5)


def test_contributions_add_up_to_the_difference_from_the_baseline() -> None:
    features = torch.randn(6, 5, generator=torch.Generator().manual_seed(2))
    baseline = features.mean(0)

    contributions = attribute(score, features, baseline, [*GROUPS, (3,)])

    difference = score(features) - score(baseline[None])
    np.testing.assert_allclose(contributions.sum(1), difference.numpy(), atol=1e-5)
