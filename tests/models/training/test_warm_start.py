"""The start of a fit from an earlier network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.config import NetworkConfig, TrainingConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.serving.recommender import Recommender
from models.training.warm_start import start_from

CONFIG = NetworkConfig(embedding_size=8, hidden_size=16, contexts=())
EARLIER, LATER = Catalogue(["gone", "a", "b"]), Catalogue(["b", "new", "a"])
STREAMS = [(np.array([2, 3, 4]), np.zeros(3, np.int64))]  # b, new, a


@pytest.fixture
def start() -> Recommender:
    torch.manual_seed(5)
    return Recommender(TasteNetwork(CONFIG, 3), EARLIER)


def started(start: Recommender) -> TasteNetwork:
    network = TasteNetwork(CONFIG, 3)
    start_from(network, TrainingConfig(), start=start, catalogue=LATER, streams=STREAMS)
    return network


def test_known_tracks_keep_their_vectors_by_id(start: Recommender) -> None:
    items, earlier = (network.embedding.weight.detach() for network in (started(start), start.network))

    assert torch.equal(items[FIRST_TRACK], earlier[FIRST_TRACK + 2])
    assert torch.equal(items[FIRST_TRACK + 2], earlier[FIRST_TRACK + 1])
    assert torch.equal(items[:FIRST_TRACK], earlier[:FIRST_TRACK])


def test_a_new_track_points_between_its_neighbours(start: Recommender) -> None:
    units = started(start).items().detach()

    between = torch.nn.functional.normalize(units[0] + units[2], dim=0)
    torch.testing.assert_close(units[1], between)


def test_all_other_weights_are_the_earlier_ones(start: Recommender) -> None:
    network = started(start)

    for name, tensor in start.network.state_dict().items():
        assert name == "embedding.weight" or torch.equal(network.state_dict()[name], tensor), name


def test_the_earlier_network_stays_as_it_was(start: Recommender) -> None:
    before = start.network.embedding.weight.detach().clone()

    with torch.no_grad():
        started(start).embedding.weight.zero_()

    assert torch.equal(start.network.embedding.weight, before)
