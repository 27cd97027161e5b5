"""The kinds of network by the names that releases say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from models.config import DiscountConfig, KindConfig, NetworkConfig, RecurrentConfig, WeightsConfig
from models.networks.averages import DiscountedMean, WeightedMean
from models.networks.network import Network, TasteNetwork
from models.networks.recurrent import RecurrentNetwork


class Kind(NamedTuple):
    """How networks of a kind are sized and made."""

    config: type[KindConfig]
    network: Callable[[Any, int], Network]


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.config.kind: kind
        for kind in (
            Kind(NetworkConfig, TasteNetwork),
            Kind(RecurrentConfig, RecurrentNetwork),
            Kind(DiscountConfig, DiscountedMean),
            Kind(WeightsConfig, WeightedMean),
        )
    }
)
"""Every kind, by its name."""


def make_network(config: KindConfig, num_tracks: int) -> Network:
    """Make a network of the kind its sizes are for, untrained."""
    return KINDS[config.kind].network(config, num_tracks)


def build_network(fields: Mapping[str, Any], num_tracks: int) -> Network:
    """Make the network that `KindConfig.to_dict` describes; without a kind, as in old releases, Refrain's own.

    Raises:
        TypeError: a field is unknown.
        ValueError: the kind is unknown, or a field has an impossible value.
    """
    name = fields.get("kind", NetworkConfig.kind)
    if name not in KINDS:
        raise ValueError(f"networks of kind {name!r} are unknown, {sorted(KINDS)} are not; upgrade the program")
    return make_network(KINDS[name].config.from_dict(fields), num_tracks)
