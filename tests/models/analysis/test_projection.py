from __future__ import annotations

import numpy as np
import pytest

from models.analysis.projection import project


@pytest.fixture(scope="module")
def clusters() -> np.ndarray:
    """Three tight clusters of 40 points in 16 dimensions."""
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 16), 40, axis=0)
    return (centres + 0.05 * rng.normal(size=centres.shape)).astype(np.float32)


def test_neighbours_stay_neighbours(clusters: np.ndarray) -> None:
    placed = project(clusters, perplexity=10)

    distances = np.linalg.norm(placed[:, None] - placed[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, :5]
    assert (nearest // 40 == np.arange(120)[:, None] // 40).all()


def test_a_layout_is_the_same_every_time(clusters: np.ndarray) -> None:
    np.testing.assert_array_equal(project(clusters, perplexity=10), project(clusters, perplexity=10))
