from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.serving.first_stage import ExactFirstStage
from models.serving.indexed_first_stage import IndexedFirstStage
from models.serving.moments import Best
from models.serving.recommender import Recommender
from models.serving.rounded_first_stage import RoundedFirstStage
from models.serving.track_index import TrackIndex
from models.training.track_lists import build_index
from tests.amount import examples


def clustered(num_tracks: int, seed: int = 0, size: int = 64) -> Tensor:
    """Make unit vectors that point in a hundred directions, more or less."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(100, size, generator=generator)[torch.arange(num_tracks) % 100]
    return functional.normalize(centres + 0.5 * torch.randn(num_tracks, size, generator=generator), dim=1)


def best_of_visited(index: TrackIndex, items: Tensor, taste: Tensor, num: int, num_visits: int) -> Best:
    """Score every track of the lists whose centroids are closest to one taste vector, and sort."""
    visited = (index.centroids @ taste).topk(num_visits).indices
    blocks = torch.cat([index.tracks[index.starts[one] : index.starts[one + 1]].flatten() for one in visited])
    tracks = blocks[blocks >= 0].long().sort().values
    cosines, order = (items[tracks] @ taste).sort(descending=True, stable=True)
    return Best(tracks[order[:num]], cosines[:num])


@settings(deadline=None, max_examples=examples(30))
@given(
    num_anchors=st.sampled_from([0, 1, 2, 65]),
    num_tracks=st.sampled_from([1, 63, 64, 65, 499, 1000, 5000]),
    size=st.sampled_from([8, 20, 64]),
    num=st.integers(1, 200),
    seed=st.integers(0, 1000),
)
def test_whoever_visits_every_list_gets_what_the_exact_stage_finds(
    num_anchors: int, num_tracks: int, size: int, num: int, seed: int
) -> None:
    items, tastes = clustered(num_tracks, seed, size), clustered(num_anchors, seed + 1, size)
    centroids = items[:30].clone()
    index = TrackIndex.of(items, centroids, (items @ centroids.T).argmax(1))

    found = IndexedFirstStage(index, items).best(tastes, num)

    expected = ExactFirstStage(items).best(tastes, num)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-6)
    assert torch.equal(found.tracks == -1, expected.tracks == -1)
    known = found.tracks >= 0
    cosines = (items[found.tracks.clamp(min=0)] * tastes[:, None]).sum(2)
    torch.testing.assert_close(found.scores[known], cosines[known], rtol=0, atol=1e-6)
    assert all(len(set(row[row >= 0].tolist())) == int((row >= 0).sum()) for row in found.tracks)


@pytest.fixture(scope="module")
def items() -> Tensor:
    return clustered(40_000)


@pytest.fixture(scope="module")
def index(items: Tensor) -> TrackIndex:
    return build_index(items)


@pytest.fixture(scope="module")
def tastes() -> Tensor:
    return clustered(70)


def test_the_best_of_the_lists_visited_are_found(index: TrackIndex, items: Tensor, tastes: Tensor) -> None:
    found = IndexedFirstStage(index, items).best(tastes, 100)

    assert len(index.centroids) > 2 * 32
    for anchor, taste in enumerate(tastes):
        expected = best_of_visited(index, items, taste, 100, num_visits=32)
        torch.testing.assert_close(found.scores[anchor], expected.scores, rtol=0, atol=1e-6)
        assert set(found.tracks[anchor].tolist()) == set(expected.tracks.tolist())


def test_most_of_the_best_tracks_are_found(index: TrackIndex, items: Tensor, tastes: Tensor) -> None:
    found, expected = (stage.best(tastes, 100) for stage in (IndexedFirstStage(index, items), ExactFirstStage(items)))

    recalls = [np.isin(*pair).mean() for pair in zip(expected.tracks.numpy(), found.tracks.numpy(), strict=True)]
    assert np.mean(recalls) > 0.95


def test_what_is_found_does_not_depend_on_the_rest_of_the_batch(
    index: TrackIndex, items: Tensor, tastes: Tensor
) -> None:
    stage = IndexedFirstStage(index, items)

    together, alone = stage.best(tastes, 50), [stage.best(taste[None], 50) for taste in tastes]

    assert torch.equal(together.tracks, torch.cat([each.tracks for each in alone]))
    assert torch.equal(together.scores, torch.cat([each.scores for each in alone]))


def test_anchors_that_too_many_tracks_are_close_to_get_the_lower_of_equal_tracks() -> None:
    items = torch.full((20_000, 16), 0.25)

    found = IndexedFirstStage(build_index(items), items).best(items[:1], 50)

    assert found.tracks.tolist() == [list(range(50))]


def test_a_recommender_with_an_index_looks_there_on_a_cpu(reranked: Recommender) -> None:
    indexed = replace(reranked, index=build_index(reranked.items))

    assert isinstance(reranked.first_stage, RoundedFirstStage)
    assert isinstance(indexed.first_stage, IndexedFirstStage)
    assert isinstance(indexed.to("cpu").first_stage, IndexedFirstStage)
