"""Fits a recipe: a network, and a second stage if the recipe has one."""

from __future__ import annotations

from dataclasses import replace

from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.recipes import Recipe
from models.release import Release
from models.serving.recommender import Recommender
from models.training.context import DEFAULT_CONTEXT, FitContext
from models.training.fit import fit_shards, occurring_contexts
from models.training.loop import Stage
from models.training.shards import Shard, Shards
from models.training.two_stages import SecondStagePlan, fit_pipeline


def fit_recipe(
    recipe: Recipe,
    shards: Shards,
    catalogue: Catalogue,
    *,
    playlists: Histories | None = None,
    start: Release | None = None,
    context: FitContext = DEFAULT_CONTEXT,
) -> Recommender:
    """Fit a recipe.

    Args:
        recipe: what to fit.
        shards: the plays, all of them for training.
        catalogue: the tracks to learn; plays of others are skipped as in serving.
        playlists: from `playlist_histories`.
        start: as in `fit_shards`; its sizes override the recipe's. It is `fit_pipeline`'s champion too.
        context: of every stage; only the first rank has the second stage.

    Returns:
        The network, in eval mode, and the second stage.

    Raises:
        ValueError: the recipe learns from playlists and there are none, `start` is of another kind, or there are too
            few plays.
    """
    _refuse_misfits(recipe, playlists, start)

    def fit_network(shards: Shards, catalogue: Catalogue, stage: Stage) -> Network:
        learned, extra = shards, () if playlists is None else [Shard(playlists)]
        if recipe.source == "playlists":
            learned, extra = extra, learned
        return fit_shards(
            learned,
            catalogue,
            recipe.training,
            network_config=None if start else replace(recipe.network, contexts=occurring_contexts(learned)),
            start=None if start is None else start.recommender,
            extra=extra,
            context=context.of_stage(stage),
        )

    second = None if recipe.second_stage is None else SecondStagePlan(recipe.second_stage, recipe.reranker_training)
    return fit_pipeline(shards, catalogue, fit_network, second, champion=start, context=context).recommender


def _refuse_misfits(recipe: Recipe, playlists: Histories | None, start: Release | None) -> None:
    """Refuse plays and starts that a recipe cannot be fitted on or from.

    Raises:
        ValueError: the recipe learns from playlists and there are none, or `start` is of another kind.
    """
    if recipe.source == "playlists" and playlists is None:
        raise ValueError(f"recipe {recipe.name} learns from playlists, and none were given; name a file of them")
    if start is not None and start.network.config.kind != recipe.network.kind:
        raise ValueError(
            f"recipe {recipe.name} makes networks of kind {recipe.network.kind} and cannot start from one of kind "
            f"{start.network.config.kind}; start from a release of the same recipe"
        )
