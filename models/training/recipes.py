"""The recipes: every system that can be trained, by the name a command or a setting asks for it.

    refrain          Refrain's own: one GRU, two heads, the ring, softmax; a second stage re-ranks
    refrain-network  its first stage alone
    rH               De Boom et al. 2018, a GRU a horizon on listening histories, cosine loss
    rH-lstm          the same with LSTMs
    rH-l2            the same as rH with the squared L2 distance for a loss
    rP               as rH, trained on playlists
    bW               their learned weights for the last songs
    discount         their exponentially discounted mean

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
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.release import Release
from models.serving.recommender import Recommender
from models.training.checkpoint import Checkpoint
from models.training.fit import fit_shards, occurring_contexts
from models.training.loop import Progress, Stage
from models.training.ranks import ALONE, Ranks
from models.training.shards import Shard, Shards


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained, and how.

    Attributes:
        name: as it is asked for.
        network: the kind and its sizes; a fit gives it inputs for the contexts that occur among its plays, no others.
        training: loss, offsets, rates, epochs, of the network.
        source: what the network learns from; the item vectors are learned from all there is.
        second_stage: sizes of what re-ranks; None: the network ranks.
        reranker_training: how that is fitted.
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


def fit_recipe(
    recipe: Recipe,
    shards: Shards,
    catalogue: Catalogue,
    *,
    playlists: Histories | None = None,
    start: Release | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Checkpoint | None = None,
    earlier_checkpoint: Checkpoint | None = None,
    ranks: Ranks = ALONE,
) -> Recommender:
    """Fit what a recipe says.

    Args:
        recipe: which.
        shards: the plays, all of them for training.
        catalogue: the tracks to learn; plays of others are skipped as in serving.
        playlists: from `playlist_histories`.
        start: as in `fit_shards`; its sizes count, not the recipe's. A second stage is fitted as `fit_both_from` says.
        device: as in `fit_shards`.
        progress: as in `fit_shards` and `fit_reranker`.
        checkpoint: of the network, as in `fit_shards`.
        earlier_checkpoint: of the network that the second stage is fitted behind, another one.
        ranks: as in `fit_shards`; the first alone has the second stage.

    Returns:
        The network, in eval mode, and what re-ranks.

    Raises:
        ValueError: the recipe learns from playlists and there are none, `start` is of another kind, or there are too
            few plays.
    """
    if recipe.source == "playlists" and playlists is None:
        raise ValueError(f"recipe {recipe.name} learns from playlists, and none were given; name a file of them")
    if start is not None and start.network.config.kind != recipe.network.kind:
        raise ValueError(
            f"recipe {recipe.name} makes networks of kind {recipe.network.kind}, and none can start from one of kind "
            f"{start.network.config.kind}; start from a release of the same recipe"
        )

    def fit_network(shards: Shards, catalogue: Catalogue, stage: Stage) -> Network:
        learned, company = shards, () if playlists is None else [Shard(playlists)]
        if recipe.source == "playlists":
            learned, company = company, learned
        return fit_shards(
            learned,
            catalogue,
            recipe.training,
            network_config=None if start else replace(recipe.network, contexts=occurring_contexts(learned)),
            start=None if start is None else start.recommender,
            company=company,
            device=device,
            progress=None if progress is None else lambda told: progress(replace(told, stage=stage)),
            checkpoint=checkpoint if stage == "network" else earlier_checkpoint,
            ranks=ranks,
        )

    if recipe.second_stage is None:
        return Recommender(fit_network(shards, catalogue, "network"), catalogue)
    from models.training.two_stages import SecondFit, fit_both, fit_both_from  # noqa: PLC0415  no worker waits for scipy

    second = SecondFit(recipe.second_stage, recipe.reranker_training, ranks, progress)
    if start is not None:
        return fit_both_from(start, shards, catalogue, fit_network, second)
    return fit_both(shards, catalogue, fit_network, second)
