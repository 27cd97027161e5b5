from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.loss import (
    RingTerms,
    cosine_loss,
    full_softmax_loss,
    quick_product_type,
    ring_cosines,
    sampled_softmax_loss,
    squared_loss,
)

NUM_TRACKS = 12


def drawn(num_answers: int = 300) -> tuple[Tensor, Tensor, Tensor, RingTerms]:
    generator = torch.Generator().manual_seed(4)
    tastes = torch.randn(num_answers, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    items = torch.randn(NUM_TRACKS, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(NUM_TRACKS, (num_answers,), generator=generator)
    tracks = torch.stack([torch.randperm(NUM_TRACKS, generator=generator)[:4] for _ in range(num_answers)])
    terms = torch.randn(num_answers, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    empty = torch.rand(num_answers, 4, generator=generator) < 0.3
    return tastes, items, targets, RingTerms(tracks, terms, empty)


def no_ring(num_answers: int) -> RingTerms:
    tracks = torch.zeros(num_answers, 1, dtype=torch.int64)
    return RingTerms(tracks, torch.zeros(num_answers, 1, dtype=torch.float64), tracks == 0)


def plain(tastes: Tensor, items: Tensor, targets: Tensor, ring: RingTerms) -> Tensor:
    """Textbook softmax cross entropy, on whole logits."""
    logits = (tastes @ items.T).scatter_add(1, ring.tracks, ring.terms.masked_fill(ring.empty, 0.0))
    return functional.cross_entropy(logits, targets)


def test_the_fused_softmax_has_the_value_and_gradients_of_the_plain_one() -> None:
    tastes, items, targets, ring = drawn()

    fused = full_softmax_loss(tastes, items, targets, ring, torch.float64)

    expected = plain(tastes, items, targets, ring)
    torch.testing.assert_close(fused, expected)
    leaves = (tastes, items, ring.terms)
    gradients = torch.autograd.grad(3 * fused, leaves)
    torch.testing.assert_close(gradients, torch.autograd.grad(3 * expected, leaves))


def test_rounded_products_change_a_softmax_by_what_they_are_rounded() -> None:
    tastes, items, targets, ring = drawn()

    rounded = full_softmax_loss(tastes, items, targets, ring, torch.bfloat16)

    expected = plain(tastes, items, targets, ring)
    torch.testing.assert_close(rounded, expected, rtol=2e-3, atol=0)
    leaves = (tastes, items, ring.terms)
    pairs = zip(torch.autograd.grad(rounded, leaves), torch.autograd.grad(expected, leaves), strict=True)
    assert all((gradient - exact).norm() < 0.01 * exact.norm() for gradient, exact in pairs)


def test_only_processors_that_multiply_bfloat16_round_to_it() -> None:
    assert quick_product_type(torch.empty(1, device="meta")) == torch.float32
    assert quick_product_type(torch.empty(1)) in {torch.float32, torch.bfloat16}


def test_a_sample_of_the_whole_catalogue_approaches_the_full_softmax() -> None:
    tastes, items, targets, _ = drawn()
    nothing = no_ring(300)
    negatives = torch.arange(NUM_TRACKS)

    sampled = sampled_softmax_loss(
        tastes, items, targets, nothing, negatives=negatives, log_expected=torch.zeros(NUM_TRACKS)
    )

    torch.testing.assert_close(sampled, plain(tastes, items, targets, nothing))


def test_ring_tracks_are_candidates_with_their_terms() -> None:
    tastes, items, targets, ring = drawn(1)
    (cosines,) = ring_cosines([tastes], items, ring.tracks)
    whole = ring._replace(empty=torch.zeros_like(ring.empty))
    none = torch.empty(0, dtype=torch.int64)

    sampled = sampled_softmax_loss(
        tastes, items, targets, whole._replace(terms=whole.terms + cosines), negatives=none, log_expected=torch.empty(0)
    )

    logits = (tastes @ items.T)[0].scatter_add(0, ring.tracks[0], ring.terms[0]).detach().numpy()
    candidates = sorted({int(targets[0]), *ring.tracks[0].tolist()})
    expected = np.log(np.exp(logits[candidates]).sum()) - logits[int(targets[0])]
    np.testing.assert_allclose(sampled.item(), expected)


def test_rarely_drawn_negatives_weigh_more() -> None:
    tastes, items, targets, _ = drawn(1)
    nothing = no_ring(1)
    negative = (targets + 1) % NUM_TRACKS

    often = sampled_softmax_loss(tastes, items, targets, nothing, negatives=negative, log_expected=torch.tensor([1.0]))
    rarely = sampled_softmax_loss(
        tastes, items, targets, nothing, negatives=negative, log_expected=torch.tensor([-1.0])
    )

    assert rarely > often


def test_a_cosine_loss_ignores_lengths() -> None:
    vectors, targets = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [5.0, 5.0]])

    torch.testing.assert_close(cosine_loss(vectors, targets), torch.tensor(1 - (1 + 0.5**0.5) / 2))


def test_a_squared_loss_is_the_distance_along_every_dimension() -> None:
    vectors, targets = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [5.0, 5.0]])

    assert squared_loss(vectors, targets).item() == (4 + 25 + 9) / 2
