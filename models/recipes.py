"""The recipes: every system that can be trained, by the name that commands and settings use.

    refrain          Refrain's own: one GRU, two heads, the ring, softmax; a second stage re-ranks
    refrain-network  its first stage alone
    rH               De Boom et al. 2018, a GRU per horizon on listening histories, cosine loss
    rH-lstm          like rH with LSTMs
    rH-l2            like rH with the squared L2 distance as its loss
    rP               like rH, trained on playlists
    bW               their learned weights for the last songs
    discount         their exponentially discounted mean

Only the paper's abstract and introduction were available, not its method. Chosen here, on 30Music's validation part:
targets 1..3 songs ahead short-term and 1..100 long-term, as far as a history goes (25..100 was worse: most histories
there end sooner); the discount factors; the regulariser's weight. Everything else is trained like Refrain's own recipe,
untuned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from models.config import (
    ArchitectureConfig,
    DiscountConfig,
    NetworkConfig,
    RecurrentConfig,
    RerankerConfig,
    RerankerTraining,
    TrainingConfig,
    WeightsConfig,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, and how.

    Attributes:
        name: the recipe's.
        network: the kind and its sizes; a fit gives it inputs only for the contexts that occur in its plays.
        training: loss, offsets, rates, epochs, of the network.
        source: what the network learns from; the item vectors are learned from both sources.
        second_stage: sizes of the second stage; None: the network ranks alone.
        reranker_training: how the second stage is fitted.
    """

    name: str
    network: ArchitectureConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    source: Literal["histories", "playlists"] = "histories"
    second_stage: RerankerConfig | None = field(default=None, repr=False)  # reports keep networks under the repr
    reranker_training: RerankerTraining = field(default_factory=RerankerTraining, repr=False)


_PAPER: Final = TrainingConfig(
    loss="cosine", short_term_offsets=(1, 3), long_term_offsets=(1, 100), long_term_weight=1.0
)

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("refrain", second_stage=RerankerConfig()),
            Recipe("refrain-network"),
            Recipe("rH", RecurrentConfig(), _PAPER),
            Recipe("rH-lstm", RecurrentConfig(cell="lstm"), _PAPER),
            Recipe("rH-l2", RecurrentConfig(), replace(_PAPER, loss="squared")),
            Recipe("rP", RecurrentConfig(reads_gaps=False), _PAPER, source="playlists"),
            Recipe("bW", WeightsConfig(), _PAPER),
            Recipe("discount", DiscountConfig(), replace(_PAPER, epochs=0)),
        )
    }
)
"""Every recipe, by its name."""
