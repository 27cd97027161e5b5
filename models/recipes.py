"""The recipes: every system that can be trained, by the name a command or a setting asks for it.

    refrain     Refrain's own: one GRU, two heads, the ring, softmax
    rH          De Boom et al. 2018, a GRU a horizon on listening histories, cosine loss
    rH-lstm     the same with LSTMs
    rH-l2       the same as rH with the squared L2 distance for a loss
    rP          as rH, trained on playlists
    bW          their learned weights for the last songs
    discount    their exponentially discounted mean

The paper's abstract and introduction were at hand, its method was not. Chosen here, on 30Music's validation part:
targets 1..3 songs ahead short-term and 1..100 long-term, as far as a history goes (25..100 was worse: most histories
there end sooner); the discount factors; the regulariser's weight. Everything else is as Refrain's own is trained,
untuned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

import torch

from models.catalogue import Catalogue
from models.checkpoint import Checkpoint
from models.config import DiscountConfig, KindConfig, NetworkConfig, RecurrentConfig, TrainingConfig, WeightsConfig
from models.histories import Histories
from models.network import Network
from models.ranks import ALONE, Ranks
from models.recommender import Recommender
from models.run import Progress
from models.shards import Shard, Shards
from models.training import fit_shards, occurring_contexts


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, and how.

    Attributes:
        name: as it is asked for.
        network: the kind and its sizes; a fit gives it inputs for the contexts that occur among its plays, no others.
        training: loss, offsets, rates, epochs.
        source: what the network learns from; the item vectors are learned from all there is.
    """

    name: str
    network: KindConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    source: Literal["histories", "playlists"] = "histories"


_PAPER: Final = TrainingConfig(
    loss="cosine", short_term_offsets=(1, 3), long_term_offsets=(1, 100), long_term_weight=1.0
)

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("refrain"),
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


def fit_recipe(
    recipe: Recipe,
    shards: Shards,
    catalogue: Catalogue,
    *,
    playlists: Histories | None = None,
    start: Recommender | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Checkpoint | None = None,
    ranks: Ranks = ALONE,
) -> Network:
    """Train the network of a recipe.

    Args:
        recipe: which.
        shards: the plays, all of them for training.
        catalogue: the tracks to learn; plays of others are skipped as in serving.
        playlists: from `playlist_histories`.
        start: as in `fit_shards`; its sizes count, not the recipe's.
        device: as in `fit_shards`.
        progress: as in `fit_shards`.
        checkpoint: as in `fit_shards`.
        ranks: as in `fit_shards`.

    Returns:
        The network, in eval mode.

    Raises:
        ValueError: the recipe learns from playlists and there are none, `start` is of another kind, or no listener has
            two plays of known tracks.
    """
    learned = shards
    company: Shards = () if playlists is None else [Shard(playlists)]
    if recipe.source == "playlists":
        if playlists is None:
            raise ValueError(f"recipe {recipe.name} learns from playlists, and none were given; name a file of them")
        learned, company = company, shards
    if start is not None and start.network.config.kind != recipe.network.kind:
        raise ValueError(
            f"recipe {recipe.name} makes networks of kind {recipe.network.kind}, and none can start from one of kind "
            f"{start.network.config.kind}; start from a release of the same recipe"
        )
    return fit_shards(
        learned,
        catalogue,
        recipe.training,
        network_config=None if start else replace(recipe.network, contexts=occurring_contexts(learned)),
        start=start,
        company=company,
        device=device,
        progress=progress,
        checkpoint=checkpoint,
        ranks=ranks,
    )
