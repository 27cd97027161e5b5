from __future__ import annotations

import numpy as np
import pytest

from models.training.quadtree import codes_of, grow, push_apart


def places_of(num: int, seed: int = 3) -> np.ndarray:
    """Places in clumps of very different density, some of them the same."""
    rng = np.random.default_rng(seed)
    places = rng.normal(0, 10, (num, 2)) * rng.choice([0.01, 1, 3], (num, 1))
    places[: num // 10] = places[0]
    rounded: np.ndarray = places.astype(np.float32)
    return rounded


def pushed(places: np.ndarray) -> tuple[np.ndarray, float]:
    """The same as `push_apart`, pair by pair."""
    ways = places[:, None].astype(np.float64) - places[None]
    closeness = 1 / (1 + (ways**2).sum(axis=2))
    np.fill_diagonal(closeness, 0)
    return (closeness[:, :, None] ** 2 * ways).sum(axis=1), float(closeness.sum())


@pytest.mark.parametrize("num", [1, 2, 9, 700])
def test_without_an_angle_every_place_pushes_by_itself(num: int) -> None:
    places = places_of(num)

    pushes, total = push_apart(places, 0.0)

    expected, expected_total = pushed(places)
    np.testing.assert_allclose(pushes, expected, atol=1e-3)
    assert total == pytest.approx(expected_total, rel=1e-5, abs=1e-6)


def test_far_places_push_about_as_much_as_one() -> None:
    places = places_of(2000)

    pushes, total = push_apart(places, 1.0)

    expected, expected_total = pushed(places)
    assert np.linalg.norm(pushes - expected) < 0.05 * np.linalg.norm(expected)
    assert total == pytest.approx(expected_total, rel=0.02)


def test_the_order_of_places_does_not_matter() -> None:
    places = places_of(500)
    order = np.random.default_rng(1).permutation(500)

    np.testing.assert_allclose(push_apart(places[order], 1.0)[0], push_apart(places, 1.0)[0][order], atol=1e-3)


def test_every_place_is_in_one_leaf_and_a_skip_leads_behind_all_below() -> None:
    places = places_of(300)
    low, width = places.min(axis=0), np.float32(np.ptp(places, axis=0).max())
    codes = codes_of(places, low, width)
    order = np.argsort(codes, kind="stable")

    tree = grow(codes[order], places[order], width)

    leaves = np.flatnonzero(tree.is_leaf)
    assert np.concatenate([np.arange(tree.begins[leaf], tree.ends[leaf]) for leaf in leaves]).tolist() == [*range(300)]
    for node in range(len(tree.skips)):
        below = slice(node + 1, tree.skips[node])
        assert (tree.ends[below] <= tree.ends[node]).all()
        assert (tree.begins[tree.skips[node] :] >= tree.ends[node]).all()
        held = places[order][tree.begins[node] : tree.ends[node]]
        assert np.ptp(held, axis=0).max() <= tree.widths[node] * 1.001
        np.testing.assert_allclose(tree.centres[node], held.mean(axis=0), atol=1e-3)
