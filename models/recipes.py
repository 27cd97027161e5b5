"""The recipes: every system that can be trained, by the name a command or a setting asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from models.config import NetworkConfig, TrainingConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, and how.

    Attributes:
        name: as it is asked for.
        network: the sizes; a fit gives it inputs for the contexts that occur among its plays, and for no others.
        training: offsets, rates, epochs.
    """

    name: str
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType({recipe.name: recipe for recipe in (Recipe("refrain"),)})
"""Every recipe, by its name."""
