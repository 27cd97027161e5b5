from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, PAD, Catalogue, track_keys
from models.plays.histories import Histories, gather_histories
from models.serving.candidates import tracks_of
from models.serving.first_stage import ExactFirstStage, FirstStage
from models.serving.indexed_first_stage import IndexedFirstStage
from models.serving.moments import Best
from models.serving.recommender import Recommender
from models.serving.rounded_first_stage import RoundedFirstStage
from models.serving.step import StepOutput, candidates_at, moments_at, step
from models.serving.step_input import StepInput
from models.serving.track_index import TrackIndex
from models.serving.vocabulary import NO_TRACK
from models.serving.withdrawn import Withdrawn
from tests.amount import examples

NUM_TRACKS = 30
CPU = torch.device("cpu")


def exact(items: Tensor) -> FirstStage:
    return ExactFirstStage(items)


def rounded(items: Tensor) -> FirstStage:
    return RoundedFirstStage(items, torch.int8)


def unrounded(items: Tensor) -> FirstStage:
    return RoundedFirstStage(items, torch.float32)


def indexed(items: Tensor) -> FirstStage:
    centroids = items[:20].clone()
    return IndexedFirstStage(TrackIndex.of(items, centroids, (items @ centroids.T).argmax(1)), items)


def best_of_others(tastes: Tensor, items: Tensor, tracks: np.ndarray, num: int) -> Best:
    """Find the best of a catalogue that never had the withdrawn tracks."""
    others = torch.from_numpy(np.setdiff1d(np.arange(len(items)), tracks))
    found, scores = ExactFirstStage(items[others]).best(tastes, num) if len(others) else nothing(len(tastes), num)
    return Best(torch.where(found < 0, -1, others[found.clamp(min=0)] if len(others) else found), scores)


def nothing(num_anchors: int, num: int) -> Best:
    return Best(torch.full((num_anchors, num), -1), torch.full((num_anchors, num), -torch.inf))


@pytest.mark.parametrize("first_stage_of", [exact, rounded, unrounded, indexed])
@settings(deadline=None, max_examples=examples(40))
@given(
    num_anchors=st.sampled_from([1, 2, 66]),
    num_tracks=st.sampled_from([40, 1000, 8177, 17_000]),
    num=st.integers(1, 150),
    num_best=st.sampled_from([0, 1, 200, 5000]),
    share=st.sampled_from([0.0, 0.01, 0.5, 0.999, 1.0]),
    seed=st.integers(0, 1000),
)
@example(num_anchors=2, num_tracks=17_000, num=20, num_best=16_900, share=0.0, seed=1)
def test_each_first_stage_finds_what_it_would_in_a_catalogue_without_the_withdrawn_tracks(  # noqa: PLR0917  drawn
    first_stage_of: Callable[[Tensor], FirstStage],
    num_anchors: int,
    num_tracks: int,
    num: int,
    num_best: int,
    share: float,
    seed: int,
) -> None:
    """Withdrawn are the best tracks of the first taste, a block of neighbours, and others drawn at random."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    tastes, items = (
        functional.normalize(torch.randint(-9, 10, (size, 16), generator=generator) + 0.5, dim=1)
        for size in (num_anchors, num_tracks)
    )
    favourites = (items @ tastes[0]).topk(min(num_best, num_tracks)).indices.numpy()
    drawn = rng.choice(num_tracks, int(share * num_tracks), replace=False)
    tracks = np.unique(np.concatenate([favourites, drawn, np.arange(bool(num_best) * num_tracks // 3)]))

    found = first_stage_of(items).without(Withdrawn.of(tracks, num_tracks, CPU)).best(tastes, num)

    expected = best_of_others(tastes, items, tracks, num)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-6)
    assert torch.equal(found.tracks < 0, expected.tracks < 0)
    assert not np.isin(found.tracks.numpy(), tracks).any()
    cosines = (items[found.tracks.clamp(min=0)] * tastes[:, None]).sum(2)
    torch.testing.assert_close(found.scores[found.tracks >= 0], cosines[found.tracks >= 0], rtol=0, atol=1e-6)


def test_an_index_whose_likely_lists_are_withdrawn_finds_the_best_of_all_others() -> None:
    torch.manual_seed(0)
    items, tastes = (functional.normalize(torch.randn(num, 16), dim=1) for num in (20_000, 3))
    centroids = items[:400].clone()
    index = IndexedFirstStage(TrackIndex.of(items, centroids, (items @ centroids.T).argmax(1)), items)
    tracks = (items @ tastes[0]).topk(19_000).indices.sort().values.numpy()

    found = index.without(Withdrawn.of(tracks, len(items), CPU)).best(tastes, 50)

    assert (found.tracks >= 0).all()
    assert torch.equal(found.tracks[0], best_of_others(tastes[:1], items, tracks, 50).tracks[0])


def everywhere(recommender: Recommender, histories: Histories) -> StepInput:
    anchors = np.arange(histories.num_plays)
    return StepInput.from_nothing(histories, anchors, num_hidden=recommender.network.config.hidden_size)


def whole(recommender: Recommender, histories: Histories, sizes: tuple[int, int] = (5, 8)) -> StepOutput:
    return step(recommender, everywhere(recommender, histories), sizes=sizes, heard_masked=(1, 10))


some_tracks = st.sets(st.integers(0, NUM_TRACKS - 1)).map(sorted).map(lambda tracks: np.array(tracks, np.int64))


@settings(deadline=None, max_examples=examples(25))
@given(tracks=some_tracks, seed=st.integers(0, 20))
@example(tracks=np.arange(NUM_TRACKS), seed=0)
def test_a_list_is_the_one_of_all_tracks_less_those_withdrawn(
    network: TasteNetwork, catalogue: Catalogue, draw_histories: Callable[..., Histories], tracks: np.ndarray, seed: int
) -> None:
    plays = draw_histories(seed, num_plays=60)
    recommender = Recommender(network, catalogue)

    output, full = whole(recommender.without(tracks), plays), whole(recommender, plays, (NUM_TRACKS, NUM_TRACKS))

    assert (output.hidden == full.hidden).all()
    assert (output.counts.counts == full.counts.counts).all()
    for ranked, of_all in zip(output.ranked, full.ranked, strict=True):
        for rows, scores, all_rows, all_scores in zip(
            ranked.rows, ranked.scores, of_all.rows, of_all.scores, strict=True
        ):
            left = (all_rows != PAD) & ~np.isin(all_rows - FIRST_TRACK, tracks)
            expected = all_rows[left][: len(rows)]
            assert rows[: len(expected)].tolist() == expected.tolist()
            assert (rows[len(expected) :] == PAD).all()
            if len(expected):
                relative = all_scores[left][: len(rows)] / all_scores[left][0]
                np.testing.assert_allclose(scores[: len(expected)], relative, rtol=1e-3)


@settings(deadline=None, max_examples=examples(25))
@given(tracks=some_tracks, seed=st.integers(0, 20))
def test_a_second_stage_ranks_the_candidates_that_are_left_and_its_lists_stay_full(
    reranked: Recommender, draw_histories: Callable[..., Histories], tracks: np.ndarray, seed: int
) -> None:
    plays = draw_histories(seed, num_plays=60)
    narrowed = reranked.without(tracks)
    num_left = NUM_TRACKS - len(tracks)

    output = step(narrowed, everywhere(narrowed, plays), sizes=(5, 8))

    candidates = candidates_at(narrowed, everywhere(narrowed, plays))
    assert reranked.reranker is not None
    scores = reranked.reranker.score(candidates.features)
    remembered = catalogue_rows(reranked, plays)
    for horizon, ranked in enumerate(output.ranked):
        assert not np.isin(ranked.rows - FIRST_TRACK, tracks).any()
        assert ((ranked.rows != PAD).sum(1) == min(ranked.rows.shape[1], num_left)).all()
        for anchor in np.flatnonzero(remembered):
            own = (candidates.anchors == anchor) & ~torch.from_numpy(np.isin(candidates.tracks.numpy(), tracks))
            best = scores[own, horizon].sort(descending=True, stable=True).indices[: ranked.rows.shape[1]]
            expected = (candidates.tracks[own][best] + FIRST_TRACK).tolist()
            assert ranked.rows[anchor][: len(expected)].tolist() == expected


def catalogue_rows(recommender: Recommender, plays: Histories) -> np.ndarray:
    """Mark the anchors whose own play is of a known track: bool (A,)."""
    return recommender.catalogue.rows(plays.track_keys) >= FIRST_TRACK


@pytest.mark.parametrize("tracks", [[], [0], [0, 3, 29], list(range(25))])
def test_compiled_lists_without_withdrawn_tracks_are_those_of_torch(
    reranked: Recommender, draw_histories: Callable[..., Histories], tracks: list[int]
) -> None:
    narrowed = reranked.without(np.array(tracks, np.int64))
    plays = draw_histories(5, num_listeners=6, num_plays=300)
    on_torch = replace(narrowed)
    vars(on_torch).update(compiled_reranker=None, first_stage=narrowed.first_stage)
    assert on_torch.reranker is not None

    mine, theirs = (step(each, everywhere(each, plays), sizes=(5, 20)) for each in (narrowed, on_torch))

    for compiled, plain in zip(mine.ranked, theirs.ranked, strict=True):
        assert (compiled.rows == plain.rows).all()
        np.testing.assert_allclose(compiled.scores, plain.scores, atol=2e-5, rtol=1e-4)
    assert len(tracks) < 25 or (mine.ranked[1].rows == PAD).any()
    for moments in moments_at(on_torch, everywhere(on_torch, plays), 8):
        masked = [tracks_of(moments.ring_rows).masked_fill(moments.plays_ago >= 0, NO_TRACK)] * 2
        for best in on_torch.reranker.rank(moments, masked, (5, 5), narrowed.withdrawn):
            assert not np.isin(best.tracks.numpy(), tracks).any()


def test_a_new_listener_gets_the_most_popular_tracks_that_are_left(reranked: Recommender) -> None:
    stranger = gather_histories(np.zeros(1, np.int64), track_keys(["never heard of"]), np.zeros(1, np.int64))
    assert reranked.reranker is not None
    popular = reranked.reranker.sources.most_popular_of_late(NUM_TRACKS).numpy()

    narrowed = reranked.without(np.sort(popular[:12]))

    output = step(narrowed, everywhere(narrowed, stranger), sizes=(5, 8))
    assert (output.ranked[1].rows[0] - FIRST_TRACK).tolist() == popular[12:20].tolist()


def test_nothing_is_copied_where_nothing_is_withdrawn(reranked: Recommender) -> None:
    assert reranked.without(np.empty(0, np.int64)) is reranked


def test_what_is_large_is_shared(reranked: Recommender) -> None:
    narrowed = reranked.without(np.array([3]))

    assert narrowed.items is reranked.items
    assert narrowed.reranker is reranked.reranker
    assert narrowed.compiled_network is reranked.compiled_network
