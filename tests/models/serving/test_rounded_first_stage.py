from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.serving.first_stage import ExactFirstStage
from models.serving.moments import Best
from models.serving.rounded import leave_unrounded, multiply, multiply_few, quick_code_type, round_vectors, slacks_of
from models.serving.rounded_first_stage import RoundedFirstStage
from tests.amount import examples

#: Both ways to multiply, whatever this processor is quick at.
both_ways = pytest.mark.parametrize("code_type", [torch.int8, torch.float32])


def tastes_and_items(num_anchors: int, num_tracks: int, seed: int) -> tuple[Tensor, Tensor]:
    """Make vectors whose cosines are few and exact, whatever the order of sums: there are ties at every cut."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (num_anchors + num_tracks, 16), generator=generator) * 2 - 1
    vectors = signs / 4  # unit vectors
    return vectors[:num_anchors], vectors[num_anchors:]


def assert_same(found: Best, expected: Best) -> None:
    torch.testing.assert_close(found.tracks, expected.tracks)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=0)


@both_ways
@settings(deadline=None, max_examples=examples(40))
@given(
    num_anchors=st.sampled_from([0, 1, 2, 4, 5, 8, 9, 63, 64, 65]),
    num_tracks=st.integers(1, 3000) | st.sampled_from([8175, 8176, 8177, 20_000]),
    num=st.integers(1, 200),
    seed=st.integers(0, 1000),
)
def test_the_tracks_are_those_of_the_exact_stage_in_the_same_order(
    code_type: torch.dtype, num_anchors: int, num_tracks: int, num: int, seed: int
) -> None:
    tastes, items = tastes_and_items(num_anchors, num_tracks, seed)

    assert_same(RoundedFirstStage(items, code_type).best(tastes, num), ExactFirstStage(items).best(tastes, num))


@both_ways
def test_close_vectors_are_told_apart(code_type: torch.dtype) -> None:
    torch.manual_seed(0)
    centres = torch.randn(8, 64)
    items = functional.normalize(centres.repeat(2500, 1) + 0.3 * torch.randn(20_000, 64), dim=1)
    tastes = functional.normalize(items[:70] + 0.05 * torch.randn(70, 64), dim=1)

    found, expected = (
        stage.best(tastes, 100) for stage in (RoundedFirstStage(items, code_type), ExactFirstStage(items))
    )

    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-6)
    cosines = (items[found.tracks] * tastes[:, None]).sum(2)
    torch.testing.assert_close(found.scores, cosines, rtol=0, atol=1e-6)


@both_ways
@pytest.mark.parametrize("num_anchors", [2, 20])
def test_anchors_that_too_many_tracks_are_close_to_get_the_lower_of_equal_tracks(
    num_anchors: int, code_type: torch.dtype
) -> None:
    items = torch.full((10_000, 16), 0.25)
    tastes = torch.cat([torch.full((1, 16), 0.25), tastes_and_items(num_anchors - 1, 1, 5)[0]])

    assert_same(RoundedFirstStage(items, code_type).best(tastes, 20), ExactFirstStage(items).best(tastes, 20))


@both_ways
@pytest.mark.parametrize("num_anchors", [2, 20])
def test_negative_cosines_and_zeros_are_in_order(num_anchors: int, code_type: torch.dtype) -> None:
    items = torch.zeros(2000, 16)
    items[:, 0] = torch.tensor([-1.0, -0.5, 0.0, -0.25] * 500)
    items[7] = -items[7]
    tastes = (torch.eye(16)[:2] * torch.tensor([[1.0], [-1.0]])).repeat(num_anchors // 2, 1)

    assert_same(RoundedFirstStage(items, code_type).best(tastes, 40), ExactFirstStage(items).best(tastes, 40))


def some_unit_vectors() -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_rounding_moves_no_cosine_by_more_than_its_errors_say() -> None:
    vectors = some_unit_vectors()

    rounded = round_vectors(vectors)

    products = rounded.codes.astype(np.float64) @ rounded.codes.astype(np.float64).T
    moved = np.abs(products * np.outer(rounded.steps, rounded.steps) - vectors.astype(np.float64) @ vectors.T)
    assert (moved <= rounded.errors[:, None] + (1 + rounded.errors[:, None]) * rounded.errors).all()
    assert np.abs(rounded.codes).max() == 127


def test_the_order_of_a_sum_moves_no_two_cosines_further_apart_than_the_slack() -> None:
    size = 64
    vectors = np.full((2, size), size**-0.5, np.float32)

    unrounded = leave_unrounded(vectors)

    worst = size * 2.0**-24  # what a sum errs at most; twice a product and twice a cosine of the two tracks compared
    assert (slacks_of(unrounded.errors, unrounded.errors.max()) >= 4 * worst).all()
    assert (unrounded.codes * unrounded.steps[:, None] == vectors).all()


def test_products_of_the_largest_codes_are_exact() -> None:
    codes = torch.full((3, 65), 127, dtype=torch.int8)

    assert (multiply(codes, codes.T) == 127**2 * 65).all()
    assert (multiply(codes, -codes.T) == -(127**2) * 65).all()


@pytest.mark.parametrize(
    ("capabilities", "code_type"),
    [({"avx512_vnni": True}, torch.int8), ({"avx512_vnni": False}, torch.float32), ({"sve": True}, torch.float32)],
)
def test_many_codes_are_int8_only_where_the_processor_has_the_instructions_for_them(
    capabilities: dict[str, object], code_type: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    assert quick_code_type() == code_type


@pytest.mark.parametrize("size", [16, 64, 130])
def test_few_products_are_those_of_many(size: int) -> None:
    codes = torch.randint(-127, 128, (9, size), generator=torch.manual_seed(0)).to(torch.int8).numpy()
    products = np.empty((2, 5), np.int32)

    multiply_few(codes[:2], codes, 3, products)

    assert (products == codes[:2].astype(np.int32) @ codes[3:8].astype(np.int32).T).all()
