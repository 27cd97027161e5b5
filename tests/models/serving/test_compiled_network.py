from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.config import HORIZONS, NetworkConfig
from models.networks.items import ReleasedItems
from models.networks.network import TasteNetwork
from models.plays.catalogue import PAD, Catalogue
from models.plays.features import known_plays, play_features
from models.plays.histories import Histories
from models.plays.ring import ring_windows
from models.serving.folding import fold
from models.serving.reading import tastes_and_terms
from models.serving.recommender import Recommender
from models.serving.step_input import StepInput
from tests.builders import tiny_network

TOLERANCE = 1e-6


@pytest.fixture(scope="module", params=[(4, 6, False), (64, 128, True)])
def drawn(request: pytest.FixtureRequest, catalogue: Catalogue) -> Recommender:
    """Networks as small as those of other tests, and as large and laid out as a release's."""
    embedding, hidden, is_released = request.param
    network = tiny_network(num_tracks=len(catalogue), embedding_size=embedding, hidden_size=hidden)
    with torch.no_grad():
        for weights in (network.norm.weight, network.norm.bias):
            torch.nn.init.normal_(weights)
    if is_released:
        network.embedding = ReleasedItems.of(network.embedding.weight)
    return Recommender(network, catalogue)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_states_are_those_of_the_network_after_every_play(
    share: float, drawn: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    network, histories, rng = drawn.network, draw_histories(3), np.random.default_rng(0)
    known = known_plays(histories, drawn.catalogue, network.config)
    anchors = np.flatnonzero(rng.random(histories.num_plays) < share)
    before = rng.standard_normal((histories.num_listeners, network.config.hidden_size)).astype(np.float32)
    nothing = StepInput.from_nothing(histories, anchors, num_hidden=network.config.hidden_size)
    step_input = StepInput(
        before, histories, nothing.fold_from + np.array([0, 3, 7, 1]), nothing.counts, nothing.count_from, anchors
    )

    after, at_anchors = fold(drawn, known, step_input)

    states = torch.from_numpy(before)
    expected = torch.empty(histories.num_plays, states.shape[1])  # of each play's listener, after it
    for listener, (begin, end) in enumerate(zip(histories.bounds[:-1], histories.bounds[1:], strict=True)):
        state = states[listener]
        for play in range(begin, end):
            number = np.flatnonzero(known.indices == play)
            if len(number) and play >= begin + step_input.fold_from[listener]:
                rows, features = known.rows[number], play_features(known, number, network.config)
                inputs = torch.from_numpy(rows)[None], torch.from_numpy(features)[None]
                state = network.recur(*inputs, state[None])[0, 0]
            expected[play] = state
    np.testing.assert_allclose(after, expected[histories.bounds[1:] - 1], atol=TOLERANCE)
    np.testing.assert_allclose(at_anchors, expected[anchors], atol=TOLERANCE)


def test_tastes_and_terms_are_those_of_the_network(
    drawn: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    network, histories = drawn.network, draw_histories(4)
    known = known_plays(histories, drawn.catalogue, network.config)
    rings = ring_windows(known, histories.bounds, np.arange(0, histories.num_plays, 3))
    states = torch.randn(len(rings.rows), network.config.hidden_size, generator=torch.manual_seed(2)) * 3

    tastes, terms = tastes_and_terms(drawn, states, rings)

    read, groups = network.read(states), torch.from_numpy(rings.groups).long()
    for horizon in range(len(HORIZONS)):
        expected = (network.ring_terms(read, groups, horizon) / network.temperature).numpy()
        np.testing.assert_allclose(tastes[horizon], network.tastes(read, horizon), atol=TOLERANCE)
        np.testing.assert_allclose(terms[horizon], np.where(rings.rows == PAD, 0, expected), atol=TOLERANCE)


def test_states_of_any_size_stay_finite_where_gates_saturate(catalogue: Catalogue) -> None:
    network = TasteNetwork(NetworkConfig(embedding_size=4, hidden_size=5), len(catalogue)).eval()
    with torch.no_grad():
        network.get_parameter("recurrence.bias_ih_l0").copy_(torch.tensor([1e4, -1e4, 100.0, -100.0, 0.0]).repeat(3))
    recommender = Recommender(network.requires_grad_(requires_grad=False), catalogue)
    histories = Histories(np.array([0, 1]), catalogue.keys[:1], np.array([0]), np.zeros(1, np.uint8), np.array([False]))
    known = known_plays(histories, catalogue, network.config)

    after, _ = fold(recommender, known, StepInput.from_nothing(histories, np.array([0]), num_hidden=5))

    features = torch.from_numpy(play_features(known, np.array([[0]]), network.config))
    expected = network.recur(torch.from_numpy(known.rows[None]), features, torch.zeros(1, 5))[0]
    np.testing.assert_allclose(after, expected, atol=TOLERANCE)
