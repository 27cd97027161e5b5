from __future__ import annotations

import numpy as np
import pytest
import torch

from models.training.layout import lay_out, slope
from models.training.neighbourhoods import find_neighbourhoods

NUM_CLUSTERS, OF_CLUSTER = 8, 60
CLUSTERS = np.repeat(np.arange(NUM_CLUSTERS), OF_CLUSTER)


def noisy(seed: int, centres: np.ndarray) -> np.ndarray:
    vectors = centres[CLUSTERS] + 0.15 * np.random.default_rng(seed).standard_normal((len(CLUSTERS), centres.shape[1]))
    units: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return noisy(0, np.eye(NUM_CLUSTERS, 16))


@pytest.fixture(scope="module")
def layout(vectors: np.ndarray) -> np.ndarray:
    return lay_out(vectors)


def nearest(places: np.ndarray, num: int) -> np.ndarray:
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    order: np.ndarray = distances.argsort(axis=1)
    return order[:, :num]


def test_neighbours_stay_neighbours(layout: np.ndarray, vectors: np.ndarray) -> None:
    assert layout.shape == (len(vectors), 2)
    assert np.isfinite(layout).all()
    assert (CLUSTERS[nearest(layout, 10)] == CLUSTERS[:, None]).mean() > 0.99
    of_vectors, of_places = nearest(vectors, 10), nearest(layout, 10)
    kept = np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(of_vectors, of_places, strict=True)])
    assert kept > 10 * 10 / len(vectors)  # ten times as many as by chance


def test_a_layout_is_the_same_every_time(layout: np.ndarray, vectors: np.ndarray) -> None:
    np.testing.assert_array_equal(lay_out(vectors), layout)


def test_the_slope_is_that_of_the_loss(vectors: np.ndarray) -> None:
    found = find_neighbourhoods(vectors)
    places = torch.from_numpy(np.random.default_rng(2).normal(0, 4, (len(vectors), 2))).requires_grad_()
    graph = torch.zeros(len(vectors), len(vectors), dtype=torch.float64)
    points = np.repeat(np.arange(len(vectors)), np.diff(found.starts))
    graph[points, found.others.astype(np.int64)] = torch.from_numpy(found.shares).double()

    closeness = 1 / (1 + (places[:, None] - places[None]).square().sum(2))
    closeness = closeness - torch.diag(closeness.diag())
    loss = -(3 * torch.xlogy(graph, closeness + (graph == 0))).sum() + closeness.sum().log()
    loss.backward()  # type: ignore[no-untyped-call]

    assert places.grad is not None
    gradient = slope(places.detach().numpy().astype(np.float32), found, 3.0, 0.0)
    np.testing.assert_allclose(gradient, places.grad.numpy(), rtol=1e-3, atol=1e-7)


def test_points_stay_about_where_they_were(layout: np.ndarray) -> None:
    changed = noisy(1, np.eye(NUM_CLUSTERS, 16))

    again, afresh = lay_out(changed, layout), lay_out(changed @ np.roll(np.eye(16, dtype=np.float32), 3, axis=1))

    moved, strayed = (np.linalg.norm(each - layout, axis=1) for each in (again, afresh))
    assert np.median(moved) < 0.15 * np.abs(layout).max()
    assert np.median(moved) < np.median(strayed) / 3
    assert (CLUSTERS[nearest(again, 10)] == CLUSTERS[:, None]).mean() > 0.99


def test_new_points_come_to_lie_amid_their_neighbours(layout: np.ndarray, vectors: np.ndarray) -> None:
    start = layout.copy()
    is_new = np.arange(len(start)) % 7 == 0
    start[is_new] = np.nan

    again = lay_out(vectors, start)

    assert np.isfinite(again).all()
    assert (CLUSTERS[nearest(again, 10)][is_new] == CLUSTERS[is_new, None]).mean() > 0.99


@pytest.mark.parametrize("num", [0, 1, 2, 3, 12])
def test_few_points_have_places_too(num: int) -> None:
    places = lay_out(noisy(0, np.eye(NUM_CLUSTERS, 16))[:num])

    assert places.shape == (num, 2)
    assert np.isfinite(places).all()


def test_equal_vectors_spread_out() -> None:
    places = lay_out(np.tile(np.eye(1, 4, dtype=np.float32), (30, 1)))

    assert len(np.unique(places.round(3), axis=0)) > 15
