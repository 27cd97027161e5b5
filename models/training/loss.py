"""Training losses: softmax over the whole catalogue, over a sample of it, and distances of vectors.

N answers, E embedding, M tracks, W ring places, K negatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

_CHUNK: Final = 128  # answers whose logits are in memory at once: 5 MB at 10,000 tracks


class RingTerms(NamedTuple):
    """What the ring adds to the logits.

    Attributes:
        tracks: int64 (N, W), 0..M-1, distinct in a row; arbitrary in empty places.
        terms: float32 (N, W), arbitrary in empty places.
        empty: bool (N, W).
    """

    tracks: Tensor
    terms: Tensor
    empty: Tensor


def full_softmax_loss(tastes: Tensor, items: Tensor, targets: Tensor, ring: RingTerms) -> Tensor:
    """Average -log softmax(tastes @ items.T + ring terms)[target].

    Args:
        tastes: float32 (N, E), unit vectors times the temperature.
        items: float32 (M, E), unit vectors.
        targets: int64 (N,), 0..M-1.
        ring: added to the logits of its tracks.

    Returns:
        float32 (), the mean over the answers.
    """
    loss: Tensor = _FusedSoftmax.apply(tastes, items, targets, ring.tracks, ring.terms.masked_fill(ring.empty, 0.0))
    return loss


class _FusedSoftmax(Function):
    """Compute the gradients in the forward pass, chunk by chunk, so that no (N, M) tensor is ever kept.

    With p = softmax(logits), d loss / d logits = (p - onehot(target)) / N.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, tastes: Tensor, items: Tensor, targets: Tensor, tracks: Tensor, terms: Tensor
    ) -> Tensor:
        num_answers = len(tastes)
        d_tastes, d_items, d_terms = torch.empty_like(tastes), torch.zeros_like(items), torch.empty_like(terms)
        loss = tastes.new_zeros(())
        chunk = tastes.new_empty(
            min(_CHUNK, num_answers), len(items)
        )  # shared by all: freed large blocks go back to the kernel
        for begin in range(0, num_answers, _CHUNK):
            part = slice(begin, begin + _CHUNK)
            target = targets[part, None]  # (n, 1)
            logits = torch.mm(tastes[part], items.T, out=chunk[: len(target)])  # (n, M)
            logits.scatter_add_(1, tracks[part], terms[part])
            target_logits = logits.gather(1, target)  # (n, 1)
            highest = logits.amax(1, keepdim=True)  # (n, 1)
            exponentials = logits.sub_(highest).exp_()  # (n, M), in place
            totals = exponentials.sum(1, keepdim=True)  # (n, 1)
            loss += (totals.log() + highest - target_logits).sum() / num_answers
            d_logits = exponentials.mul_(1 / (num_answers * totals))
            d_logits.scatter_add_(1, target, torch.full_like(target_logits, -1 / num_answers))
            torch.mm(d_logits, items, out=d_tastes[part])
            d_items.addmm_(d_logits.T, tastes[part])
            d_terms[part] = d_logits.gather(1, tracks[part])  # (n, W)
        ctx.save_for_backward(d_tastes, d_items, d_terms)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, Tensor]:
        d_tastes, d_items, d_terms = ctx.saved_tensors
        return d_tastes * grad, d_items * grad, None, None, d_terms * grad


def ring_cosines(tastes: Sequence[Tensor], items: Tensor, tracks: Tensor) -> Sequence[Tensor]:
    """Multiply several tastes of each answer by the ring's item vectors, which are gathered once.

    Args:
        tastes: float32 (N, E) each.
        items: float32 (M, E).
        tracks: int64 (N, W), 0..M-1.

    Returns:
        float32 (N, W) of each.
    """
    gathered = functional.embedding(tracks, items)  # (N, W, E); its backward is quicker than that of items[tracks]
    return torch.bmm(gathered, torch.stack(list(tastes), dim=2)).unbind(dim=2)


def sampled_softmax_loss(
    tastes: Tensor,
    items: Tensor,
    targets: Tensor,
    ring: RingTerms,
    *,
    negatives: Tensor,
    log_expected: Tensor,
) -> Tensor:
    """Average -log softmax over the target, the ring's tracks and a shared sample of the rest.

    The ring's tracks are always candidates: a sample would hardly ever contain them, and their terms could not be
    learned.

    Args:
        tastes: float32 (N, E), unit vectors times the temperature.
        items: float32 (M, E), unit vectors.
        targets: int64 (N,), 0..M-1.
        ring: the candidates of each answer, whose terms are their whole logits: `ring_cosines` included.
        negatives: int64 (K,), 0..M-1, drawn with replacement.
        log_expected: float32 (K,), log of how often each is expected in the sample (the log Q correction).

    Returns:
        float32 (), the mean over the answers.

    Source: Bengio and Senecal 2008; Yi et al. 2019 for the correction.
    """
    is_target = (ring.tracks == targets[:, None]) & ~ring.empty  # (N, W)
    cosines = (tastes * functional.embedding(targets, items)).sum(1, keepdim=True)  # (N, 1)
    of_ring = ring.terms.masked_fill(~is_target, 0.0).sum(1, keepdim=True)  # (N, 1)
    target_logits = torch.where(is_target.any(1, keepdim=True), of_ring, cosines)
    ring_logits = ring.terms.masked_fill(is_target | ring.empty, -torch.inf)  # (N, W)
    negative_logits = tastes @ functional.embedding(negatives, items).T - log_expected  # (N, K)
    negative_logits = negative_logits.masked_fill(negatives == targets[:, None], -torch.inf)
    candidates = torch.cat([target_logits, ring_logits, negative_logits], dim=1)  # (N, 1 + W + K)
    return functional.cross_entropy(candidates, torch.zeros_like(targets))


def cosine_loss(vectors: Tensor, targets: Tensor) -> Tensor:
    """Average 1 - cos(vector, target).

    Args:
        vectors: float32 (N, E), taste vectors of any length.
        targets: float32 (N, E), item vectors.

    Returns:
        float32 (), 0 to 2.

    Source: De Boom et al. 2018.
    """
    return 1 - functional.cosine_similarity(vectors, targets, dim=1).mean()


def squared_loss(vectors: Tensor, targets: Tensor) -> Tensor:
    """Average the squared L2 distance of a vector from its target.

    Args:
        vectors: float32 (N, E), taste vectors, whose length counts.
        targets: float32 (N, E), item vectors.

    Returns:
        float32 ().

    Source: De Boom et al. 2018.
    """
    return (vectors - targets).square().sum(dim=1).mean()
