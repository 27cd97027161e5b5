from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.config import NetworkConfig, RerankerTraining, TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Split
from models.recipes import Recipe
from models.release import Release
from models.release_files import DataWindow
from models.serving.recommender import Recommender
from models.training import reranker_fitting, two_stages
from models.training.context import FitContext
from models.training.fit import fit
from models.training.loop import Progress
from models.training.ranks import Ranks
from models.training.recipes import fit_recipe
from models.training.reranker_fitting import fit_two_stages
from models.training.shards import Shard, Shards
from tests.builders import release_of
from tests.models.training.test_reranker_fitting import SIZES, TRAINING, hit_rate, walks

RECIPE = Recipe(
    "tiny",
    NetworkConfig(embedding_size=8, hidden_size=8),
    TrainingConfig(epochs=2, batch_plays=256, item_epochs=2),
    second_stage=SIZES,
    reranker_training=TRAINING,
)


@pytest.fixture(scope="module")
def split() -> Split:
    return walks()


def shards_of(split: Split, num_shards: int = 1) -> Shards:
    """The plays before T1, a part of the listeners in each shard."""
    histories, sessions = split.training_histories()
    if num_shards == 1:
        return [Shard(histories, sessions)]
    return [Shard(histories.of(part)) for part in np.array_split(np.arange(histories.num_listeners), num_shards)]


def fit_alone(split: Split) -> Network:
    histories, sessions = split.training_histories()
    config = replace(RECIPE.network, contexts=())
    return fit(histories, split.catalogue, RECIPE.training, network_config=config, sessions=sessions)


def assert_equal(one: nn.Module | None, other: nn.Module | None) -> None:
    assert one is not None
    assert other is not None
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_of_one_shard_both_stages_are_those_of_a_split(split: Split) -> None:
    expected = fit_two_stages(split, fit_alone, SIZES, TRAINING)

    recommender = fit_recipe(RECIPE, shards_of(split), split.catalogue)

    assert_equal(recommender.network, expected.network)
    assert_equal(recommender.reranker, expected.reranker)


def test_shards_give_the_counts_of_all_plays_and_what_there_is_to_ask(split: Split) -> None:
    whole = fit_recipe(RECIPE, shards_of(split), split.catalogue).reranker

    recommender = fit_recipe(RECIPE, shards_of(split, 3), split.catalogue)

    assert whole is not None
    assert recommender.reranker is not None
    for name, counts in whole.named_buffers():
        if not name.startswith("feature_"):
            torch.testing.assert_close(recommender.reranker.state_dict()[name], counts, msg=name)
    assert hit_rate(recommender, split) > 0.75


def test_counts_are_of_the_newest_plays_alone(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_stages, "COUNTED_PLAYS", 300)

    recommender = fit_recipe(RECIPE, shards_of(split, 3), split.catalogue)

    assert recommender.reranker is not None
    newest = np.sort(split.training_histories()[0].played_at_ms)[-300]
    histories = split.training_histories()[0]
    rows = split.catalogue.rows(histories.track_keys[histories.played_at_ms >= newest])
    counts = np.bincount(rows - FIRST_TRACK, minlength=len(split.catalogue)) + 0.5
    np.testing.assert_allclose(recommender.reranker.log_popularity.exp(), counts / counts.sum(), rtol=1e-5)


def test_the_stages_are_told_in_turn(split: Split) -> None:
    told = list[Progress]()

    fit_recipe(RECIPE, shards_of(split), split.catalogue, context=FitContext(progress=told.append))

    stages = [progress.stage for progress in told]
    assert list(dict.fromkeys(stages)) == ["network of earlier plays", "network", "second stage"]
    assert stages == sorted(stages, key=["network of earlier plays", "network", "second stage"].index)


def release(recommender: Recommender, until_ms: int) -> Release:
    """A release that has seen the plays up to a time."""
    made = release_of(recommender.network, 1, recommender.catalogue.track_ids)
    return replace(made, recommender=recommender, data_window=DataWindow(0, until_ms, 1, 1))


def test_from_a_release_on_the_second_stage_is_fitted_on_the_plays_since(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker_fitting, "_MIN_ASKED", 100)
    earlier = split.earlier()
    start = release(Recommender(fit_alone(earlier), earlier.catalogue), earlier.t1_ms - 1)

    recommender = fit_recipe(RECIPE, shards_of(split), split.catalogue, start=start)

    assert_equal(recommender.reranker, fit_two_stages(split, fit_alone, SIZES, TRAINING).reranker)


def test_an_old_release_leaves_half_of_the_plays_to_the_counts(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reranker_fitting, "_MIN_ASKED", 100)
    times_ms = split.training_histories()[0].played_at_ms
    both = fit_two_stages(split, fit_alone, SIZES, TRAINING)

    old, halfway = (
        fit_recipe(RECIPE, shards_of(split), split.catalogue, start=release(both, until_ms))
        for until_ms in (int(times_ms.min()) - 1, int(np.median(times_ms)) - 1)
    )

    assert_equal(old.reranker, halfway.reranker)
    assert old.reranker is not None
    assert both.reranker is not None
    assert not torch.equal(old.reranker.trust, both.reranker.trust)


def test_without_enough_plays_since_the_second_stage_of_the_release_stays(split: Split) -> None:
    until_ms = int(split.training_histories()[0].played_at_ms.max())
    both = fit_two_stages(split, fit_alone, SIZES, TRAINING)

    kept = fit_recipe(RECIPE, shards_of(split), split.catalogue, start=release(both, until_ms))
    none = fit_recipe(RECIPE, shards_of(split), split.catalogue, start=release(replace(both, reranker=None), until_ms))

    assert_equal(kept.reranker, both.reranker)
    assert none.reranker is None


def test_the_first_rank_alone_has_the_second_stage(split: Split) -> None:
    network = fit_alone(split)
    second = two_stages.SecondFit(SIZES, RerankerTraining(), FitContext(ranks=Ranks(rank=1, size=2)))

    recommender = two_stages.fit_both(shards_of(split), split.catalogue, lambda *_: network, second)

    assert recommender.network is network
    assert recommender.reranker is None
