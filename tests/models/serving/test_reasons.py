from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import NetworkConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, PAD, Catalogue, track_keys
from models.plays.histories import Histories, gather_histories
from models.serving.reasons import GROUPS, Reason, explain
from models.serving.recommender import Recommender
from models.serving.step import candidates_at, moments_at, step
from models.serving.step_input import StepInput
from tests.amount import examples
from tests.models.conftest import NUM_KNOWN, TRACK_IDS

SIZES = (5, 8)
NOON_MS = 1_700_000_000_000


def played(recommender: Recommender, tracks: Sequence[str], gap_ms: int = 200_000) -> StepInput:
    """A listener who has played some tracks, asked after the last one."""
    times = NOON_MS + gap_ms * np.arange(len(tracks))
    histories = gather_histories(np.zeros(len(tracks), np.int64), track_keys(tracks), times)
    num_hidden = recommender.network.config.hidden_size
    return StepInput.from_nothing(histories, np.array([len(tracks) - 1]), num_hidden=num_hidden)


def explained(recommender: Recommender, step_input: StepInput) -> tuple[tuple[Reason, ...], ...]:
    ranked = step(recommender, step_input, sizes=SIZES).ranked
    return explain(recommender, step_input, [each.rows[0] for each in ranked])


tracks_played = st.lists(st.sampled_from(TRACK_IDS), min_size=1, max_size=80)
few = settings(max_examples=examples(25), deadline=None)


@few
@given(tracks=tracks_played)
def test_the_terms_add_up_to_the_score_that_the_step_computes(reranked: Recommender, tracks: Sequence[str]) -> None:
    first_stage = replace(reranked, reranker=None)
    step_input = played(first_stage, tracks)

    reasons = explained(first_stage, step_input)

    (moments,) = moments_at(first_stage, step_input, max(SIZES))
    ranked = step(first_stage, step_input, sizes=SIZES).ranked
    for horizon, of_list in enumerate(reasons):
        scores = dict(
            zip(moments.best.tracks[horizon, 0].tolist(), moments.best.scores[horizon, 0].tolist(), strict=True)
        )
        assert [reason.row for reason in of_list] == [row for row in ranked[horizon].rows[0].tolist() if row != PAD]
        for reason in of_list:
            assert reason.score == pytest.approx(scores[reason.row - FIRST_TRACK], abs=1e-5)
            if reason.ring:
                assert reason.ring.recency is not None
                parts = (reason.ring.recency, reason.ring.times, reason.ring.bigram)
                assert sum(part or 0 for part in parts) == pytest.approx(reason.ring.total, abs=1e-5)
                assert tracks[len(tracks) - 1 - reason.ring.plays_ago] == TRACK_IDS[reason.row - FIRST_TRACK]
            assert (reason.counted, reason.second_stage) == (None, None)


@few
@given(tracks=tracks_played)
def test_what_groups_add_leads_to_the_score_in_the_list(reranked: Recommender, tracks: Sequence[str]) -> None:
    step_input = played(reranked, tracks)

    reasons = explained(reranked, step_input)

    ranked = step(reranked, step_input, sizes=SIZES).ranked
    is_known = any(track in TRACK_IDS[:NUM_KNOWN] for track in tracks[-64:])
    for of_list, lists in zip(reasons, ranked, strict=True):
        assert all(reason.counted for reason in of_list)
        assert all((reason.second_stage is not None) == is_known for reason in of_list)
        stages = [reason.second_stage for reason in of_list if reason.second_stage]
        for stage, score in zip(stages, lists.scores[0], strict=False):
            assert stage.contributions.keys() == GROUPS.keys()
            assert stage.mean + sum(stage.contributions.values()) == pytest.approx(stage.logit, abs=1e-4)
            assert np.exp(stage.logit - stages[0].logit) == pytest.approx(score, abs=1e-4)


@few
@given(tracks=tracks_played)
def test_the_first_because_is_the_track_whose_removal_lowers_the_score_most(
    reranked: Recommender, tracks: Sequence[str]
) -> None:
    reasons = explained(reranked, played(reranked, tracks))

    ring = tracks[-64:]
    known = [track for track in dict.fromkeys(ring) if track in TRACK_IDS[:NUM_KNOWN]]
    if len(known) < 2:
        return
    whole = _remembered(reranked, tracks)
    without = {track: _remembered(reranked, tracks, track) for track in known}
    for horizon, of_list in enumerate(reasons):
        for reason in of_list:
            score = _score(reranked, whole, horizon, reason.row)
            losses = {track: score - _score(reranked, each, horizon, reason.row) for track, each in without.items()}
            best = max(losses.values())
            named = [TRACK_IDS[each.row - FIRST_TRACK] for each in reason.because]
            for track, because in zip(named, reason.because, strict=True):
                assert because.loss == pytest.approx(losses[track], abs=1e-5)
                assert tracks[len(tracks) - 1 - because.plays_ago] == track
            assert (losses[named[0]] if named else 0.0) == pytest.approx(max(best, 0.0), abs=1e-5)


def _remembered(recommender: Recommender, tracks: Sequence[str], left_out: str | None = None) -> StepInput:
    """A listener who has played only what the ring remembers, at the same times, but for one track."""
    whole = played(recommender, tracks).histories
    kept = [place for place in range(max(0, len(tracks) - 64), len(tracks)) if tracks[place] != left_out]
    histories = Histories(
        np.array([0, len(kept)]), whole.track_keys[kept], whole.played_at_ms[kept], whole.contexts[kept],
        whole.repeats[kept],
    )  # fmt: skip
    num_hidden = recommender.network.config.hidden_size
    return StepInput.from_nothing(histories, np.array([len(kept) - 1]), num_hidden=num_hidden)


def _score(recommender: Recommender, step_input: StepInput, horizon: int, row: int) -> float:
    """Score a track by the first stage, from the features of the step's own shortlist."""
    (moments,) = moments_at(replace(recommender, reranker=None), step_input, NUM_KNOWN)
    place = moments.best.tracks[horizon, 0].tolist().index(row - FIRST_TRACK)
    return float(moments.best.scores[horizon, 0, place])


def test_the_ring_is_the_main_reason_for_a_track_that_a_network_wants_to_repeat(
    network: TasteNetwork, catalogue: Catalogue
) -> None:
    keen = TasteNetwork(NetworkConfig(embedding_size=8, hidden_size=16), NUM_KNOWN)
    keen.load_state_dict(network.state_dict())
    for weights, gates in zip(keen.ring_weights, keen.ring_gates, strict=True):
        weights.data[:], gates.data[:] = 0.0, 0.0
        weights.data[0] = 40.0  # just played
    recommender = Recommender(keen.eval().requires_grad_(requires_grad=False), catalogue)

    reasons = explained(recommender, played(recommender, ["t3", "t4", "t5"]))

    for of_list in reasons:
        first = of_list[0]
        assert first.row == TRACK_IDS.index("t5") + FIRST_TRACK
        assert first.ring is not None
        assert (first.ring.plays_ago, first.ring.times, first.ring.bigram) == (0, 0.0, 0.0)
        assert first.ring.total > first.cosine
        assert first.because[0].row == first.row


def test_counts_are_those_behind_the_features(reranked: Recommender) -> None:
    step_input = played(reranked, ["t1", "t2", "t1", "t2", "t1"])

    reasons = explained(reranked, step_input)

    candidates = candidates_at(reranked, step_input)
    counted = {reason.row: reason.counted for of_list in reasons for reason in of_list}
    for track, features in zip(candidates.tracks.tolist(), candidates.features.tolist(), strict=True):
        if said := counted.get(track + FIRST_TRACK):
            assert np.log(said.lift_after_current) == pytest.approx(features[2], abs=1e-5)
            assert np.log1p(said.times_next) == pytest.approx(features[8], abs=1e-5)
            assert np.log1p(said.own_plays) == pytest.approx(features[9], abs=1e-5)
            assert np.log(said.popularity) == pytest.approx(features[10], abs=1e-5)
            if track == TRACK_IDS.index("t2"):
                assert said.times_next == pytest.approx(2)


def test_reasons_of_any_architecture_add_up(any_network: TasteNetwork, catalogue: Catalogue) -> None:
    recommender = Recommender(any_network, catalogue)
    step_input = played(recommender, ["t1", "t2", "t39", "t3"])

    (moments,) = moments_at(recommender, step_input, max(SIZES))
    for horizon, of_list in enumerate(explained(recommender, step_input)):
        scores = moments.best.scores[horizon, 0].tolist()
        assert [reason.score for reason in of_list] == pytest.approx(scores[: len(of_list)], abs=1e-5)
