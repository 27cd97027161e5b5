"""What answers: a network over its catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue
from models.network import TasteNetwork


@dataclass(frozen=True, slots=True)
class Recommender:
    """Everything a step needs besides listeners.

    Attributes:
        network: in eval mode; decides the device.
        catalogue: its tracks.
    """

    network: TasteNetwork
    catalogue: Catalogue
