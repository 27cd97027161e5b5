from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.config import CONTEXTS, ArchitectureConfig, NetworkConfig, RerankerConfig, TrainingConfig
from tests.builders import TINY_CONFIGS


@pytest.mark.parametrize("config", TINY_CONFIGS.values(), ids=TINY_CONFIGS)
def test_a_config_survives_json(config: ArchitectureConfig) -> None:
    config = replace(config, contexts=("album", "other"))

    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_context_codes_never_change() -> None:
    assert CONTEXTS == ("none", "album", "artist", "chart", "library", "playlist", "radio", "search", "other")


def test_an_unknown_context_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"\['mixtape'\] are not in"):
        NetworkConfig(contexts=("album", "mixtape"))


def test_a_field_of_a_later_program_is_rejected() -> None:
    with pytest.raises(TypeError, match="num_layers"):
        NetworkConfig.from_dict(NetworkConfig().to_dict() | {"num_layers": 2})


def test_a_fit_from_an_earlier_network_takes_fewer_passes() -> None:
    assert TrainingConfig(epochs=6).refreshed() == TrainingConfig(epochs=2)
    assert TrainingConfig(epochs=1).refreshed().epochs == 1


def test_large_catalogues_keep_fewer_neighbours_of_a_track() -> None:
    kept = [RerankerConfig().neighbours_kept(num_tracks) for num_tracks in (1, 200_000, 1_000_000, 10_000_000)]

    assert kept == [100, 100, 20, 12]
    assert RerankerConfig(num_neighbours=6).neighbours_kept(10_000_000) == 6
