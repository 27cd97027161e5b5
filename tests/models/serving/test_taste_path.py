from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from models.serving.taste_path import follow_taste


def tastes_of(network: Network, hidden: np.ndarray) -> torch.Tensor:
    read = network.read(torch.from_numpy(hidden))
    return torch.stack([network.tastes(read, horizon)[0] for horizon in range(2)])


def test_each_point_is_the_taste_of_the_state_that_steps_would_have(
    any_network: Network, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    plays = draw_histories(4, num_listeners=1, num_plays=40)
    recommender, num_hidden = Recommender(any_network, catalogue), any_network.config.hidden_size

    tastes = follow_taste(recommender, plays)

    assert tastes.shape[:2] == (2, 40)
    for number in range(40):
        step_input = StepInput.from_nothing(prefix(plays, number + 1), np.array([number]), num_hidden=num_hidden)
        hidden = step(recommender, step_input, sizes=(1, 1)).hidden
        torch.testing.assert_close(tastes[:, number], tastes_of(any_network, hidden), atol=1e-4, rtol=0)


def prefix(plays: Histories, num: int) -> Histories:
    columns = plays.track_keys[:num], plays.played_at_ms[:num], plays.contexts[:num], plays.repeats[:num]
    return Histories(np.array([0, num]), *columns)


def test_the_latest_point_is_that_of_a_state_which_knows_more(
    any_network: Network, catalogue: Catalogue, draw_histories: Callable[..., Histories]
) -> None:
    plays = draw_histories(4, num_listeners=1, num_plays=5)
    recommender = Recommender(any_network, catalogue)
    state = np.full((1, any_network.config.hidden_size), 0.3, np.float32)

    tastes = follow_taste(recommender, plays, state)

    assert torch.equal(tastes[:, :-1], follow_taste(recommender, plays)[:, :-1])
    torch.testing.assert_close(tastes[:, -1], tastes_of(any_network, state), atol=1e-4, rtol=0)


def test_without_plays_there_is_no_path(any_network: Network, catalogue: Catalogue) -> None:
    nothing = Histories(
        np.zeros(2, np.int64),
        np.empty(0, np.uint64),
        np.empty(0, np.int64),
        np.empty(0, np.uint8),
        np.empty(0, np.bool_),
    )

    state = np.zeros((1, any_network.config.hidden_size), np.float32)
    assert follow_taste(Recommender(any_network, catalogue), nothing, state).shape[:2] == (2, 0)
