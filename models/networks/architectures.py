"""The architectures of networks, by the names that releases give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from models.config import ArchitectureConfig, DiscountConfig, NetworkConfig, RecurrentConfig, WeightsConfig
from models.networks.averages import DiscountedMean, WeightedMean
from models.networks.network import Network, TasteNetwork
from models.networks.recurrent import RecurrentNetwork


class Architecture(NamedTuple):
    """How networks of one architecture are sized and made."""

    config: type[ArchitectureConfig]
    network: Callable[[Any, int], Network]


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        architecture.config.kind: architecture
        for architecture in (
            Architecture(NetworkConfig, TasteNetwork),
            Architecture(RecurrentConfig, RecurrentNetwork),
            Architecture(DiscountConfig, DiscountedMean),
            Architecture(WeightsConfig, WeightedMean),
        )
    }
)
"""Every architecture, by its name."""


def make_network(config: ArchitectureConfig, num_tracks: int) -> Network:
    """Make an untrained network of the architecture that a config sizes."""
    return ARCHITECTURES[config.kind].network(config, num_tracks)


def build_network(fields: Mapping[str, Any], num_tracks: int) -> Network:
    """Make the network that `ArchitectureConfig.to_dict` describes; releases that name no architecture have Refrain's.

    Raises:
        TypeError: a field is unknown.
        ValueError: the architecture is unknown, or a field has an impossible value.
    """
    name = fields.get("kind", NetworkConfig.kind)
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture {name!r} is not one of {sorted(ARCHITECTURES)}; upgrade the program")
    return make_network(ARCHITECTURES[name].config.from_dict(fields), num_tracks)
