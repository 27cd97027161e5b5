from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.config import RING_SIZE, RerankerConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, UNKNOWN, Catalogue, track_keys
from models.plays.histories import Histories, gather_histories
from models.serving.candidate_features import FEATURES
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker
from models.serving.step import StepOutput, candidates_at, step
from models.serving.step_input import StepInput
from models.training.reranker_counts import counted_reranker
from tests.cases.observations import Observe

NUM_TRACKS = 30


@pytest.fixture(scope="module")
def plays(draw_histories: Callable[..., Histories]) -> Histories:
    return draw_histories(4, num_listeners=6, num_plays=500)


def whole(recommender: Recommender, histories: Histories, **kwargs: tuple[int, ...]) -> StepOutput:
    return step(recommender, everywhere(recommender, histories), sizes=(5, 8), **kwargs)


def sizes_of(recommender: Recommender) -> RerankerConfig:
    assert recommender.reranker is not None
    return recommender.reranker.config


def everywhere(recommender: Recommender, histories: Histories) -> StepInput:
    anchors = np.arange(histories.num_plays)
    return StepInput.from_nothing(histories, anchors, num_hidden=recommender.network.config.hidden_size)


def test_before_it_is_fitted_the_second_stage_ranks_as_the_first(
    reranked: Recommender, plays: Histories, network: TasteNetwork, catalogue: Catalogue
) -> None:
    unfitted = Recommender(network, catalogue, counted_reranker(plays, catalogue, network.config, sizes_of(reranked)))

    first, second = (whole(each, plays) for each in (Recommender(network, catalogue), unfitted))

    known = known_from(plays, catalogue)
    assert known.sum() > 400
    for mine, theirs in zip(second.ranked, first.ranked, strict=True):
        assert (mine.rows[known] == theirs.rows[known]).all()


@pytest.mark.kind(24)
def test_a_score_means_the_same_with_and_without_a_second_stage(
    reranked: Recommender, plays: Histories, network: TasteNetwork, catalogue: Catalogue, observe: Observe
) -> None:
    unfitted = Recommender(network, catalogue, counted_reranker(plays, catalogue, network.config, sizes_of(reranked)))

    first, second, fitted = (
        whole(each, plays) for each in (Recommender(network, catalogue), unfitted, reranked)
    )  # an unfitted second stage changes no probability

    known = known_from(plays, catalogue)
    for mine, theirs, other in zip(second.ranked, first.ranked, fitted.ranked, strict=True):
        np.testing.assert_allclose(mine.scores[known], theirs.scores[known], atol=1e-4)
        for scores in (mine.scores, theirs.scores, other.scores):
            assert (scores[:, 0] == 1).all()
            assert (np.diff(scores, axis=1) <= 0).all()
            assert scores.min() >= 0
    observe("both stages score each list from 1 down, and a second stage that changes no probability changes no score")


def known_from(plays: Histories, catalogue: Catalogue) -> np.ndarray:
    """Mark the anchors at which the ring holds a known play: bool (A,)."""
    is_known = catalogue.rows(plays.track_keys) != UNKNOWN
    begins = np.maximum(plays.bounds[plays.listeners()], np.arange(plays.num_plays) - RING_SIZE + 1)
    return np.array([is_known[begin : anchor + 1].any() for anchor, begin in enumerate(begins)])


def test_lists_are_the_candidates_by_score(reranked: Recommender, plays: Histories) -> None:
    candidates = candidates_at(reranked, everywhere(reranked, plays))
    output = whole(reranked, plays)

    assert reranked.reranker is not None
    scores = reranked.reranker.score(candidates.features)
    is_known = candidates.features[:, FEATURES.index("plays remembered")] > 0
    for anchor in range(0, plays.num_plays, 7):
        own = (candidates.anchors == anchor) & is_known
        if not own.any():
            continue
        for horizon, size in enumerate((5, 8)):
            best = scores[own, horizon].sort(descending=True, stable=True)
            expected = candidates.tracks[own][best.indices[:size]] + FIRST_TRACK
            rows = output.ranked[horizon].rows[anchor]
            assert rows[: len(expected)].tolist() == expected.tolist()
            ratios = (best.values[:size] - best.values[0]).exp()
            assert output.ranked[horizon].scores[anchor][: len(expected)] == pytest.approx(ratios, abs=1e-5)


def test_masked_tracks_are_in_no_list(reranked: Recommender, plays: Histories, catalogue: Catalogue) -> None:
    output = whole(reranked, plays, heard_masked=(0, 10))

    rows, listeners = catalogue.rows(plays.track_keys), plays.listeners()
    for anchor in range(plays.num_plays):
        begin = max(plays.bounds[listeners[anchor]], anchor - 9)
        assert not np.isin(rows[begin : anchor + 1], output.ranked[1].rows[anchor]).any()


def test_a_listener_without_a_known_play_gets_recently_popular_tracks(reranked: Recommender) -> None:
    stranger = gather_histories(np.zeros(1, np.int64), track_keys(["never heard of"]), np.zeros(1, np.int64))

    output = whole(reranked, stranger)

    assert reranked.reranker is not None
    popular = reranked.reranker.sources.log_popularity_of_late.argsort(descending=True, stable=True) + FIRST_TRACK
    assert output.ranked[0].rows[0].tolist() == popular[:5].tolist()
    assert output.ranked[1].rows[0].tolist() == popular[:8].tolist()


def test_a_second_stage_survives_its_own_bytes(reranked: Recommender) -> None:
    reranker = reranked.reranker
    assert reranker is not None

    again = Reranker.from_tensors(RerankerConfig.from_dict(reranker.config.to_dict()), reranker.state_dict())

    features = torch.randn(9, len(FEATURES))
    assert torch.equal(again.score(features), reranker.score(features))
