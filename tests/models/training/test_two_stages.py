from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from models.config import NetworkConfig, TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.split import Plays, Split, split_once
from models.recipes import Recipe
from models.release import Release
from models.release_files import DataWindow
from models.serving.recommender import Recommender
from models.training import two_stages
from models.training.context import FitContext
from models.training.fit import fit, fit_shards
from models.training.loop import Progress, Stage
from models.training.ranks import Ranks
from models.training.recipe_fitting import fit_recipe
from models.training.reranker_counts import counted_reranker
from models.training.reranker_fitting import add_second_stage, fit_second_stage
from models.training.shards import Shard, Shards, occurring_tracks, training_shard
from models.training.two_stages import SecondStagePlan, fit_pipeline
from tests.builders import NOON_MS, release_of
from tests.cases.observations import Observe
from tests.models.training.test_reranker_fitting import SIZES, TRAINING, hit_rate, untrained_network, walks

RECIPE = Recipe(
    "tiny",
    NetworkConfig(embedding_size=8, hidden_size=8),
    TrainingConfig(epochs=2, batch_plays=256, item_epochs=2),
    second_stage=SIZES,
    reranker_training=TRAINING,
)
PLAN = SecondStagePlan(SIZES, TRAINING)


@pytest.fixture(scope="module")
def split() -> Split:
    return walks()


def shards_of(split: Split, num_shards: int = 1) -> Shards:
    """The plays before T1, a part of the listeners in each shard."""
    if num_shards == 1:
        return [training_shard(split)]
    histories, _ = split.training_histories()
    return [Shard(histories.of(part)) for part in np.array_split(np.arange(histories.num_listeners), num_shards)]


def fit_alone(split: Split) -> Network:
    histories, sessions = split.training_histories()
    config = replace(RECIPE.network, contexts=())
    return fit(histories, split.catalogue, RECIPE.training, network_config=config, sessions=sessions)


def earlier_plays(split: Split) -> Split:
    """Split the plays before T1 once more."""
    train = split.histories.played_at_ms < split.t1_ms
    sessions: NDArray[np.int64] = np.cumsum(split.session_starts)
    plays = Plays(
        listeners=split.histories.listeners()[train],
        tracks=split.rows[train] - FIRST_TRACK,
        track_ids=split.catalogue.track_ids,
        played_at_ms=split.histories.played_at_ms[train],
        contexts=split.histories.contexts[train],
        sessions=sessions[train],
    )
    return split_once(plays)


def fit_stage_by_stage(split: Split) -> Recommender:
    """Fit both stages of a split without shards: the result that `fit_pipeline` must reach."""
    earlier = earlier_plays(split)
    fitted = fit_second_stage(
        Recommender(fit_alone(earlier), earlier.catalogue), shards_of(earlier), earlier, SIZES, TRAINING
    )
    return add_second_stage(Recommender(fit_alone(split), split.catalogue), shards_of(split), fitted)


@pytest.fixture(scope="module")
def both(split: Split) -> Recommender:
    """Both stages, fitted one by one."""
    return fit_stage_by_stage(split)


def assert_equal(one: nn.Module | None, other: nn.Module | None) -> None:
    assert one is not None
    assert other is not None
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_of_one_shard_both_stages_are_those_of_a_split(split: Split, both: Recommender) -> None:
    recommender = fit_recipe(RECIPE, shards_of(split), split.catalogue)

    assert_equal(recommender.network, both.network)
    assert_equal(recommender.reranker, both.reranker)


@pytest.mark.long
def test_shards_give_the_counts_and_anchors_of_all_plays(split: Split) -> None:
    whole = fit_recipe(RECIPE, shards_of(split), split.catalogue).reranker

    recommender = fit_recipe(RECIPE, shards_of(split, 3), split.catalogue)

    assert whole is not None
    assert recommender.reranker is not None
    for name, counts in whole.named_buffers():
        if not name.startswith("feature_"):
            torch.testing.assert_close(recommender.reranker.state_dict()[name], counts, msg=name)
    assert hit_rate(recommender, split) > 0.75


def fit_network(shards: Shards, catalogue: Catalogue, _: Stage) -> Network:
    config = replace(RECIPE.network, contexts=())
    return fit_shards(shards, catalogue, RECIPE.training, network_config=config)


def test_counts_are_of_all_plays_however_few_the_weights_are_fitted_on(split: Split) -> None:
    newest_only = replace(PLAN, num_newest=300)

    recommender = fit_pipeline(shards_of(split, 3), split.catalogue, fit_network, newest_only).recommender

    histories = split.training_histories()[0]
    counts = counted_reranker(histories, split.catalogue, recommender.network.config, SIZES)
    assert recommender.reranker is not None
    for name, buffer in counts.named_buffers():
        if not name.startswith("feature_"):
            assert torch.equal(recommender.reranker.state_dict()[name], buffer), name


def test_networks_are_fitted_on_earlier_plays_and_serve_with_all(split: Split) -> None:
    fitted_until = dict[Stage, int]()

    def fit_untrained(shards: Shards, catalogue: Catalogue, stage: Stage) -> Network:
        fitted_until[stage] = max(int(shard.histories.played_at_ms.max()) for shard in shards)
        return untrained_network(len(catalogue))

    recommender = fit_pipeline(shards_of(split), split.catalogue, fit_untrained, PLAN).recommender

    histories = split.training_histories()[0]
    assert list(fitted_until) == ["network of earlier plays", "network"]
    assert fitted_until["network of earlier plays"] < earlier_plays(split).t1_ms
    assert fitted_until["network"] == histories.played_at_ms.max()
    assert hit_rate(recommender, split) > 0.75
    counts = counted_reranker(histories, split.catalogue, recommender.network.config, SIZES)
    assert recommender.reranker is not None
    assert torch.equal(recommender.reranker.sources.soon.weights, counts.sources.soon.weights)


def test_the_stages_are_reported_in_turn(split: Split) -> None:
    reports = list[Progress]()

    fit_recipe(RECIPE, shards_of(split), split.catalogue, context=FitContext(progress=reports.append))

    stages = [progress.stage for progress in reports]
    assert list(dict.fromkeys(stages)) == ["network of earlier plays", "network", "second stage"]
    assert stages == sorted(stages, key=["network of earlier plays", "network", "second stage"].index)


def release(recommender: Recommender, until_ms: int, *, created_at_ms: int = NOON_MS) -> Release:
    """A release that has seen the plays up to a time."""
    made = release_of(recommender.network, 1, recommender.catalogue.track_ids)
    window = DataWindow(0, until_ms, 1, 1)
    return replace(made, recommender=recommender, data_window=window, created_at_ms=created_at_ms)


def test_after_a_release_the_second_stage_is_fitted_on_newer_plays(
    split: Split, both: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_stages, "_MIN_ANCHORS", 100)
    earlier = earlier_plays(split)
    start = release(Recommender(fit_alone(earlier), earlier.catalogue), earlier.t1_ms - 1)

    recommender = fit_recipe(RECIPE, shards_of(split), split.catalogue, start=start)

    assert_equal(recommender.reranker, both.reranker)


@pytest.mark.long
def test_an_old_release_leaves_half_of_the_plays_to_the_counts(
    split: Split, both: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_stages, "_MIN_ANCHORS", 100)
    times_ms = split.training_histories()[0].played_at_ms

    old, halfway = (
        fit_recipe(RECIPE, shards_of(split), split.catalogue, start=release(both, until_ms))
        for until_ms in (int(times_ms.min()) - 1, int(np.median(times_ms)) - 1)
    )

    assert_equal(old.reranker, halfway.reranker)
    assert old.reranker is not None
    assert both.reranker is not None
    assert not torch.equal(old.reranker.trust, both.reranker.trust)


@pytest.mark.long
@pytest.mark.kind(7)
def test_a_play_dated_after_its_release_hides_no_newer_plays(
    split: Split, both: Recommender, monkeypatch: pytest.MonkeyPatch, observe: Observe
) -> None:
    monkeypatch.setattr(two_stages, "_MIN_ANCHORS", 100)
    until_ms = int(np.median(split.training_histories()[0].played_at_ms))

    dated_right, dated_2049 = (
        fit_recipe(RECIPE, shards_of(split), split.catalogue, start=start)
        for start in (release(both, until_ms), release(both, 2_500_000_000_000, created_at_ms=until_ms))
    )

    assert_equal(dated_right.reranker, dated_2049.reranker)
    observe("a release learned from a play of 2049: the next second stage is still fitted on the plays since")


def test_without_enough_plays_since_the_second_stage_of_the_release_stays(split: Split, both: Recommender) -> None:
    until_ms = int(split.training_histories()[0].played_at_ms.max())

    kept = fit_recipe(RECIPE, shards_of(split), split.catalogue, start=release(both, until_ms))
    none = fit_recipe(RECIPE, shards_of(split), split.catalogue, start=release(replace(both, reranker=None), until_ms))

    assert_equal(kept.reranker, both.reranker)
    assert none.reranker is None


@pytest.mark.long
def test_the_trainer_may_fit_on_every_play_since_its_champion(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_stages, "_MIN_ANCHORS", 100)
    histories = split.training_histories()[0]
    until_ms = int(np.quantile(histories.played_at_ms, 0.3))
    before = [Shard(histories).before(until_ms + 1)]
    known = occurring_tracks(before, split.catalogue)
    champion = release(Recommender(fit_network(before, known, "network"), known), until_ms)

    half, all_since = (
        fit_pipeline(shards_of(split), split.catalogue, fit_network, replace(PLAN, max_unseen_share=share),
                     champion=champion)
        for share in (0.5, 1.0)
    )  # fmt: skip

    plays = Plays(histories.listeners(), split.catalogue.rows(histories.track_keys) - FIRST_TRACK,
                  split.catalogue.track_ids, histories.played_at_ms, histories.contexts)  # fmt: skip
    unseen = split_once(plays, t1_ms=until_ms + 1)
    expected = fit_second_stage(champion.recommender, shards_of(unseen), unseen, SIZES, TRAINING)
    assert all_since.recommender.reranker is not None
    assert half.recommender.reranker is not None
    assert torch.equal(all_since.recommender.reranker.trust, expected.trust)
    assert not torch.equal(half.recommender.reranker.trust, expected.trust)


@pytest.mark.long
def test_a_second_stage_that_is_not_fitted_says_why(split: Split, both: Recommender) -> None:
    until_ms = int(split.training_histories()[0].played_at_ms.max())
    champion = release(both, until_ms)

    kept, fitted, unwanted = (
        fit_pipeline(shards_of(split), split.catalogue, fit_network, second, champion=start)
        for second, start in ((PLAN, champion), (PLAN, None), (None, champion))
    )

    assert kept.kept_because == "0 plays since the champion's can be learned from, fewer than 1000"
    assert (fitted.kept_because, unwanted.kept_because) == ("", "")
    assert unwanted.recommender.reranker is None


def test_only_the_first_rank_has_the_second_stage(split: Split) -> None:
    network, second_rank = fit_alone(split), FitContext(ranks=Ranks(rank=1, size=2))

    recommender = fit_pipeline(
        shards_of(split), split.catalogue, lambda *_: network, PLAN, context=second_rank
    ).recommender  # fmt: skip

    assert recommender.network is network
    assert recommender.reranker is None
