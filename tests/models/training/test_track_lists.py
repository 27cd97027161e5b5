from __future__ import annotations

import torch
from torch.nn import functional

from models.serving.recommender import Recommender
from models.training.track_lists import build_index, index_if_above


def test_similar_tracks_are_in_one_list() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = functional.normalize(torch.randn(4, 16, generator=generator), dim=1)
    items = functional.normalize(
        centres[torch.arange(2000) % 4] + 0.01 * torch.randn(2000, 16, generator=generator), dim=1
    )

    index = build_index(items)

    index.check(items)
    for begin, end in zip(index.starts[:-1], index.starts[1:], strict=True):
        tracks = index.tracks[begin:end]
        assert len(set((tracks[tracks >= 0] % 4).tolist())) == 1


def test_a_track_is_in_the_list_of_the_nearest_centroid() -> None:
    items = functional.normalize(torch.randn(3000, 8, generator=torch.Generator().manual_seed(1)), dim=1)

    index = build_index(items)

    distances = torch.cdist(items, index.centroids)  # (M, L)
    lists = torch.arange(len(index.centroids)).repeat_interleave(index.starts.diff())[:, None].expand_as(index.tracks)
    is_there = index.tracks >= 0
    of_lists = distances[index.tracks[is_there].long(), lists[is_there]]
    torch.testing.assert_close(of_lists, distances.min(1).values[index.tracks[is_there].long()], rtol=0, atol=1e-3)


def test_an_index_is_the_same_however_often_it_is_built() -> None:
    items = functional.normalize(torch.randn(3000, 8, generator=torch.Generator().manual_seed(1)), dim=1)

    assert all(torch.equal(*pair) for pair in zip(build_index(items), build_index(items), strict=True))


def test_only_large_catalogues_have_an_index(reranked: Recommender) -> None:
    num_tracks = len(reranked.catalogue)

    assert index_if_above(num_tracks, reranked).index is None
    assert index_if_above(num_tracks - 1, reranked).index is not None
