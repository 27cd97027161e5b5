"""The path of a taste: the taste vectors of one listener after each of some plays."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.plays.histories import Histories
from models.serving.reading import tastes_and_terms
from models.serving.recommender import Recommender
from models.serving.step import known_at_anchors
from models.serving.step_input import StepInput


def follow_taste(recommender: Recommender, plays: Histories, latest: NDArray[np.float32] | None = None) -> Tensor:
    """Compute the taste vectors of both horizons after each play of a listener, from a state that knows none of them.

    It is the forward pass that rebuilds a state, so that the last vectors are those of a rebuilt one.

    Args:
        recommender: its network folds and reads.
        plays: P plays of one listener, oldest first.
        latest: float32 (1, H), the listener's state, if the last vectors should be read from it: it may contain older
            plays.

    Returns:
        float32 (2, P, E), of length 1, on the network's device.
    """
    anchors = np.arange(plays.num_plays)
    step_input = StepInput.from_nothing(plays, anchors, num_hidden=recommender.network.config.hidden_size)
    known = known_at_anchors(recommender, step_input)
    with torch.inference_mode():
        states = known.hidden
        if latest is not None and len(anchors):
            states = torch.cat([states[:-1], torch.from_numpy(latest).to(states)])
        return tastes_and_terms(recommender, states.contiguous(), known.rings)[0]
