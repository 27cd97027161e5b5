"""The kinds of network by the names that releases say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from models.config import ArchitectureConfig, DiscountConfig, NetworkConfig, RecurrentConfig, WeightsConfig
from models.networks.averages import DiscountedMean, WeightedMean
from models.networks.network import Network, TasteNetwork
from models.networks.recurrent import RecurrentNetwork


class Architecture(NamedTuple):
    """How networks of a kind are sized and made."""

    config: type[ArchitectureConfig]
    network: Callable[[Any, int], Network]


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        kind.config.kind: kind
        for kind in (
            Architecture(NetworkConfig, TasteNetwork),
            Architecture(RecurrentConfig, RecurrentNetwork),
            Architecture(DiscountConfig, DiscountedMean),
            Architecture(WeightsConfig, WeightedMean),
        )
    }
)
"""Every kind, by its name."""


def make_network(config: ArchitectureConfig, num_tracks: int) -> Network:
    """Make a network of the kind its sizes are for, untrained."""
    return ARCHITECTURES[config.kind].network(config, num_tracks)


def build_network(fields: Mapping[str, Any], num_tracks: int) -> Network:
    """Make the network that `ArchitectureConfig.to_dict` describes; without a kind, as in old releases, Refrain's own.

    Raises:
        TypeError: a field is unknown.
        ValueError: the kind is unknown, or a field has an impossible value.
    """
    name = fields.get("kind", NetworkConfig.kind)
    if name not in ARCHITECTURES:
        raise ValueError(f"networks of kind {name!r} are unknown, {sorted(ARCHITECTURES)} are not; upgrade the program")
    return make_network(ARCHITECTURES[name].config.from_dict(fields), num_tracks)
