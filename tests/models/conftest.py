"""Tiny networks and random histories for the tests of `models`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.config import CONTEXTS, NetworkConfig, RerankerConfig
from models.networks.network import Network, TasteNetwork
from models.plays.catalogue import Catalogue, track_keys
from models.plays.histories import Histories, gather_histories
from models.serving.recommender import Recommender
from models.training.reranker_counts import counted_reranker
from tests.builders import TINY_CONFIGS, network_of

NUM_KNOWN = 30
TRACK_IDS = [f"t{i}" for i in range(40)]  # the last ten are in no catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue(TRACK_IDS[:NUM_KNOWN])


@pytest.fixture(scope="session")
def network() -> TasteNetwork:
    """A network whose ring terms and gates are far from zero, as after training."""
    torch.manual_seed(7)
    network = TasteNetwork(NetworkConfig(embedding_size=8, hidden_size=16), NUM_KNOWN).eval()
    for weights in (*network.ring_weights, *network.ring_gates):
        torch.nn.init.normal_(weights)
    return network.requires_grad_(requires_grad=False)


@pytest.fixture(scope="session", params=TINY_CONFIGS)
def any_network(request: pytest.FixtureRequest) -> Network:
    """A network of each architecture."""
    return network_of(TINY_CONFIGS[request.param], num_tracks=NUM_KNOWN)


@pytest.fixture(scope="session")
def reranked(network: TasteNetwork, catalogue: Catalogue, draw_histories: Callable[..., Histories]) -> Recommender:
    """The network with a second stage whose weights are far from zero."""
    sizes = RerankerConfig(num_first_stage=8, num_counted=4, num_neighbours=6, num_pair_followers=3, hidden_units=8)
    counted = draw_histories(3, num_listeners=6, num_plays=500)
    reranker = counted_reranker(counted, catalogue, network.config, sizes)
    torch.manual_seed(5)
    for parameter in reranker.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Recommender(network, catalogue, reranker)


@pytest.fixture(scope="session")
def draw_histories() -> Callable[..., Histories]:
    """Random plays: repeats, unknown tracks, gaps from negative to months."""

    def draw(seed: int, *, num_listeners: int = 4, num_plays: int = 400) -> Histories:
        rng = np.random.default_rng(seed)
        listeners = np.sort(rng.integers(0, num_listeners, num_plays))
        listeners[-1] = num_listeners - 1
        gaps_ms = rng.choice([-5_000, 0, 200_000, 4_000_000, 90_000_000, 3_000_000_000], num_plays)
        return gather_histories(
            listeners,
            track_keys(TRACK_IDS)[rng.zipf(1.3, num_plays) % len(TRACK_IDS)],
            1_400_000_000_000 + np.cumsum(gaps_ms),
            rng.integers(0, len(CONTEXTS), num_plays).astype(np.uint8),
        )

    return draw
