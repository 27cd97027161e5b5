from __future__ import annotations

import numpy as np
import pytest

from models.training.neighbourhoods import find_neighbourhoods, pull_together


def vectors_of(num: int) -> np.ndarray:
    vectors: np.ndarray = np.random.default_rng(5).standard_normal((num, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.mark.parametrize("num", [2, 50, 800])
def test_neighbours_are_the_closest_by_cosine_and_no_point_is_its_own(num: int) -> None:
    vectors = vectors_of(num)

    found = find_neighbourhoods(vectors)

    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    expected = np.argsort(-cosines, axis=1, kind="stable")[:, : found.nearest.shape[1]]
    np.testing.assert_array_equal(found.nearest, expected)


def test_edges_go_both_ways_and_their_shares_add_up_to_1() -> None:
    found = find_neighbourhoods(vectors_of(60))

    graph = np.zeros((60, 60))
    points = np.repeat(np.arange(60), np.diff(found.starts))
    graph[points, found.others] = found.shares
    np.testing.assert_array_equal(graph, graph.T)
    assert graph.sum() == pytest.approx(1)
    assert (np.take_along_axis(graph, found.nearest, axis=1) > 0).all()


def test_neighbours_pull_by_their_shares() -> None:
    found = find_neighbourhoods(vectors_of(40))
    places = np.random.default_rng(1).normal(0, 3, (40, 2)).astype(np.float32)

    pulls = pull_together(places, found.starts, found.others, found.shares)

    ways = places[:, None] - places[None]
    graph = np.zeros((40, 40))
    graph[np.repeat(np.arange(40), np.diff(found.starts)), found.others] = found.shares
    expected = (graph[:, :, None] * ways / (1 + (ways**2).sum(axis=2))[:, :, None]).sum(axis=1)
    np.testing.assert_allclose(pulls, expected, atol=1e-6)
