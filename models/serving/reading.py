"""Reading: what states say about every track, and about those of the ring."""

from __future__ import annotations

import torch
from torch import Tensor

from models.config import HORIZONS
from models.plays.catalogue import PAD
from models.plays.ring import RingWindows
from models.serving.compiled_network import read_states
from models.serving.folding import to_tensor
from models.serving.recommender import Recommender


def tastes_and_terms(recommender: Recommender, states: Tensor, rings: RingWindows) -> tuple[Tensor, Tensor]:
    """Read taste vectors and ring terms from the states at A anchors.

    Args:
        recommender: its network reads.
        states: float32 (A, H), on the network's device.
        rings: of the same anchors, W places wide.

    Returns:
        Taste vectors of length 1, float32 (2, A, E), and what is added to the scores of the ring's tracks, float32
        (2, A, W): the ring terms divided by the temperature, 0 in empty places. Both on the network's device, for each
        of HORIZONS.
    """
    network, compiled = recommender.network, recommender.compiled_network
    if compiled is not None:
        unit_vectors, ring_terms = read_states(compiled, states.numpy(), rings.rows, rings.groups)
        return torch.from_numpy(unit_vectors), torch.from_numpy(ring_terms)
    read = network.read(states)  # (A, R)
    rows, groups = to_tensor(rings.rows, states.device), to_tensor(rings.groups, states.device).long()  # (A, W)
    tastes = torch.stack([network.tastes(read, horizon) for horizon in range(len(HORIZONS))])
    terms = torch.stack([network.ring_terms(read, groups, horizon) for horizon in range(len(HORIZONS))])
    return tastes, (terms / network.temperature).masked_fill(rows == PAD, 0.0)
