from __future__ import annotations

import json

import pytest
import torch

from models.config import HORIZONS, ArchitectureConfig, NetworkConfig
from models.networks.architectures import ARCHITECTURES, build_network
from models.networks.network import Network, TasteNetwork
from tests.builders import TINY_CONFIGS


def test_every_architecture_has_a_tiny_config_for_the_tests() -> None:
    assert {config.kind for config in TINY_CONFIGS.values()} == set(ARCHITECTURES)


@pytest.mark.parametrize("config", TINY_CONFIGS.values(), ids=TINY_CONFIGS)
def test_a_network_is_built_from_its_config_in_json(config: ArchitectureConfig) -> None:
    network = build_network(json.loads(json.dumps(config.to_dict())), 7)

    assert type(network) is ARCHITECTURES[config.kind].network
    assert network.config == config


def test_fields_without_an_architecture_are_those_of_refrains_own() -> None:
    fields = NetworkConfig(embedding_size=4, hidden_size=6).to_dict()
    del fields["kind"]

    assert isinstance(build_network(fields, 7), TasteNetwork)


def test_an_architecture_of_a_later_program_is_rejected() -> None:
    with pytest.raises(
        ValueError, match=r"architecture 'transformer' is not one of \[.*'refrain'.*\]; upgrade the program"
    ):
        build_network({"kind": "transformer"}, 7)


def test_every_architecture_has_unit_tastes_for_both_horizons(any_network: Network) -> None:
    rows, features = torch.randint(2, 32, (3, 5)), torch.rand(3, 5, 4 + len(any_network.config.contexts))
    hidden = any_network.recur(rows, features, torch.zeros(3, any_network.config.hidden_size))
    read = any_network.read(hidden[:, -1])

    for horizon in range(len(HORIZONS)):
        tastes = any_network.tastes(read, horizon)
        torch.testing.assert_close(tastes, torch.nn.functional.normalize(any_network.vectors(read, horizon), dim=1))
        torch.testing.assert_close(tastes.norm(dim=1), torch.ones(3))
        assert any_network.ring_terms(read, torch.zeros(3, 2, dtype=torch.int64), horizon).shape == (3, 2)
    torch.testing.assert_close(any_network.items().norm(dim=1), torch.ones(30))
