from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue, track_keys
from models.plays.histories import Histories, gather_histories
from models.serving.candidate_features import FEATURES
from models.serving.candidates import tracks_of
from models.serving.compiled_reranker import arrays_of
from models.serving.recommender import Recommender
from models.serving.step import candidates_at, moments_at
from models.serving.step_input import StepInput
from models.serving.vocabulary import NO_TRACK
from models.training.reranker_counts import counted_reranker
from tests.models.serving.dense import expected_at

NUM_TRACKS = 30


def test_candidates_are_distinct_known_and_in_order(
    reranked: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    plays = draw_histories(4, num_listeners=6, num_plays=500)
    everywhere = np.arange(plays.num_plays)
    num_hidden = reranked.network.config.hidden_size

    candidates = candidates_at(reranked, StepInput.from_nothing(plays, everywhere, num_hidden=num_hidden))

    keys = candidates.anchors * NUM_TRACKS + candidates.tracks
    assert (keys.diff() > 0).all()
    assert candidates.tracks.min() >= 0
    assert candidates.tracks.max() < NUM_TRACKS
    assert candidates.features.shape == (len(keys), len(FEATURES))
    assert candidates.features.isfinite().all()


def test_features_hold_what_their_names_say(network: TasteNetwork, reranked: Recommender) -> None:
    catalogue = Catalogue([f"t{number}" for number in range(NUM_TRACKS)])
    listened = ["t0", "t1", "t2", "t0", "t1", "t3", "t0", "t1"]
    history = gather_histories(np.zeros(8, np.int64), track_keys(listened), 1_000_000_000_000 + np.arange(8) * 200_000)
    assert reranked.reranker is not None
    reranker = counted_reranker(history, catalogue, network.config, reranked.reranker.config)
    recommender = Recommender(network, catalogue, reranker)
    last = StepInput.from_nothing(history, np.array([7]), num_hidden=network.config.hidden_size)

    candidates = candidates_at(recommender, last)

    features_of = {
        int(track): dict(zip(FEATURES, features.tolist(), strict=True))
        for track, features in zip(candidates.tracks, candidates.features, strict=True)
    }
    popularity = (np.bincount([int(name[1:]) for name in listened], minlength=NUM_TRACKS) + 0.5) / (8 + 15)
    after_t1 = (1 + 2 * popularity[2]) / (2 + 2)  # t1 was followed by t2 and t3, once each
    after_both = (1 + 2 * after_t1) / (2 + 2)  # and so were t0 and t1 together
    assert features_of[2]["log lift, right after the current track"] == pytest.approx(np.log(after_t1 / popularity[2]))
    both = features_of[2]["log lift, right after the current track and the one before"]
    assert both == pytest.approx(np.log(after_both / popularity[2]), abs=1e-5)
    assert features_of[2]["log times it came next before"] == pytest.approx(np.log(2))
    assert features_of[2]["log plays ago"] == pytest.approx(np.log(6))
    assert features_of[0]["plays in the ring"] == 2  # three plays
    assert features_of[1]["recency"] == 0
    assert features_of[2]["log popularity"] == pytest.approx(np.log(popularity[2]), abs=1e-5)
    assert features_of[1]["log p, short-term"] <= features_of[1]["log p of the best, short-term"] <= 0
    never_played = next(track for track in features_of if track > 3)
    assert (
        features_of[never_played]["in the ring"]
        == features_of[never_played]["recency"]
        == features_of[never_played]["log plays ago"]
        == 0
    )


def test_candidates_and_features_are_those_of_whole_arrays(
    reranked: Recommender, draw_histories: Callable[..., Histories]
) -> None:
    plays = draw_histories(4, num_listeners=6, num_plays=300)
    anchors = np.arange(plays.num_plays)
    step_input = StepInput.from_nothing(plays, anchors, num_hidden=reranked.network.config.hidden_size)
    reranker = reranked.reranker
    assert reranker is not None

    assert reranked.compiled_reranker is not None

    for moments in moments_at(reranked, step_input, reranker.config.num_first_stage):
        num_anchors = len(moments.heard)
        expected = [expected_at(reranker.config, reranker.sources, moments, anchor) for anchor in range(num_anchors)]
        for candidates in (reranker.propose(moments), reranked.compiled_reranker.propose(moments)):
            for anchor, wanted in enumerate(expected):
                own = candidates.anchors == anchor
                assert candidates.tracks[own].tolist() == wanted.tracks.tolist()
                np.testing.assert_allclose(candidates.features[own], wanted.features, atol=2e-5)


def test_compiled_lists_are_those_of_torch(reranked: Recommender, draw_histories: Callable[..., Histories]) -> None:
    plays = draw_histories(5, num_listeners=6, num_plays=300)
    step_input = StepInput.from_nothing(
        plays, np.arange(plays.num_plays), num_hidden=reranked.network.config.hidden_size
    )
    reranker, compiled = reranked.reranker, reranked.compiled_reranker
    assert reranker is not None
    assert compiled is not None

    for moments in moments_at(reranked, step_input, 40):
        masked = [tracks_of(moments.ring_rows).masked_fill(moments.plays_ago >= num, NO_TRACK) for num in (0, 10)]
        both = zip(
            compiled.rank(arrays_of(moments), (0, 10), (5, 40)), reranker.rank(moments, masked, (5, 40)), strict=True
        )
        for mine, theirs in both:
            assert (mine.tracks == theirs.tracks.numpy()).all()
            np.testing.assert_allclose(mine.scores, theirs.scores, atol=2e-5, rtol=1e-5)
