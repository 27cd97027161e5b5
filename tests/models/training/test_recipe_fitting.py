from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import NetworkConfig, TrainingConfig
from models.networks.architectures import make_network
from models.networks.network import CosineNetwork
from models.plays.catalogue import track_keys
from models.plays.playlists import playlist_histories
from models.recipes import RECIPES, Recipe
from models.serving.recommender import Recommender
from models.training.context import FitContext
from models.training.fit import fit
from models.training.loop import Progress
from models.training.recipe_fitting import fit_recipe
from models.training.shards import Shard
from tests.builders import network_of, release_of, tiny_recipe
from tests.models.training.test_fit import CATALOGUE, IDS, hit_rate, rounds

PLAYLISTS = playlist_histories(np.repeat(np.arange(4), 20), np.tile(np.arange(20), 4), track_keys(IDS * 4))


def test_a_recipe_is_filed_under_its_own_name() -> None:
    assert {name: recipe.name for name, recipe in RECIPES.items()} == {name: name for name in RECIPES}


def test_refrains_own_recipe_is_the_defaults() -> None:
    assert RECIPES["refrain"].network == NetworkConfig()
    assert RECIPES["refrain"].training == TrainingConfig()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_can_be_trained(recipe: Recipe) -> None:
    recommender = fit_recipe(tiny_recipe(recipe), [Shard(rounds(5))], CATALOGUE, playlists=PLAYLISTS)
    network = recommender.network

    assert not network.training
    assert type(network.config) is type(recipe.network)
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
    assert (recommender.reranker is None) == (recipe.second_stage is None)


@pytest.mark.parametrize("name", ["rH", *(pytest.param(name, marks=pytest.mark.long) for name in ("rH-lstm", "rH-l2"))])
def test_the_papers_networks_learn_what_comes_next(name: str) -> None:
    tiny = tiny_recipe(RECIPES[name])
    next_only = replace(tiny.training, epochs=60, learning_rate=0.1, short_term_offsets=(1, 1))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        start = Recommender(make_network(tiny.network, len(IDS)), CATALOGUE)

    network = fit(rounds(20, 6), CATALOGUE, next_only, start=start)

    assert hit_rate(network, rounds(20, 5)) > 0.9


def test_learned_weights_get_better() -> None:
    tiny, reports = tiny_recipe(RECIPES["bW"]), list[Progress]()

    longer = replace(tiny, training=replace(tiny.training, epochs=20, batch_plays=256))
    fit_recipe(longer, [Shard(rounds(20, 30))], CATALOGUE, context=FitContext(progress=reports.append))

    losses = [progress.loss for progress in reports if progress.epoch]
    assert np.mean(losses[-20:]) < np.mean(losses[:20])


def test_the_papers_song_vectors_stay_as_they_were_learned() -> None:
    untrained, trained = (
        fit_recipe(replace(tiny, training=replace(tiny.training, epochs=epochs)), [Shard(rounds(5))], CATALOGUE).network
        for tiny, epochs in ((tiny_recipe(RECIPES["rH"]), 0), (tiny_recipe(RECIPES["rH"]), 2))
    )

    assert isinstance(trained, CosineNetwork)
    assert torch.equal(trained.embedding.weight, untrained.embedding.weight)
    head, untrained_head = (network.state_dict()["heads.0.weight"] for network in (trained, untrained))
    assert not torch.equal(head, untrained_head)


def test_a_recipe_for_playlists_is_refused_without_any() -> None:
    with pytest.raises(ValueError, match="recipe rP learns from playlists, and none were given; name a file"):
        fit_recipe(RECIPES["rP"], [Shard(rounds(5))], CATALOGUE)


def test_a_recipe_for_playlists_learns_from_nothing_else() -> None:
    single_plays = rounds(5, 1)  # which alone would leave nothing to learn

    fit_recipe(tiny_recipe(RECIPES["rP"]), [Shard(single_plays)], CATALOGUE, playlists=PLAYLISTS)

    with pytest.raises(ValueError, match="nothing to learn"):
        fit_recipe(tiny_recipe(RECIPES["rH"]), [Shard(single_plays)], CATALOGUE, playlists=PLAYLISTS)


def test_song_vectors_are_learned_from_playlists_too() -> None:
    recipe, shards = tiny_recipe(RECIPES["rH"]), [Shard(rounds(5))]

    alone, together = (fit_recipe(recipe, shards, CATALOGUE, playlists=lists).network for lists in (None, PLAYLISTS))

    assert not torch.equal(alone.embedding.weight, together.embedding.weight)


def test_a_recipe_cannot_start_from_a_network_of_another_kind() -> None:
    start = release_of(network_of(RECIPES["bW"].network, num_tracks=len(IDS)), 1, IDS)

    with pytest.raises(
        ValueError, match=r"recipe rH makes networks of kind recurrent and cannot start from one of kind weights"
    ):
        fit_recipe(RECIPES["rH"], [Shard(rounds(5))], CATALOGUE, start=start)
