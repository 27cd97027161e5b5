"""Training losses: softmax over the whole catalogue, over a sample of it, and distances of vectors.

N answers, E embedding, M tracks, W ring places, K negatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

_CHUNK: Final = 256  # answers whose logits are in memory at once: 15 MB at 10,000 tracks
_BITS: Final = 1 / math.log(2)  # of a nat


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


def full_softmax_loss(
    tastes: Tensor, items: Tensor, targets: Tensor, ring: RingTerms, product_type: torch.dtype
) -> Tensor:
    """Average -log softmax(tastes @ items.T + ring terms)[target].

    Args:
        tastes: float32 (N, E), unit vectors times the temperature.
        items: float32 (M, E), unit vectors.
        targets: int64 (N,), 0..M-1.
        ring: added to the logits of its tracks.
        product_type: what factors and results of large products are rounded to; all else stays as it is.

    Returns:
        float32 (), the mean over the answers.
    """
    terms = ring.terms.masked_fill(ring.empty, 0.0)
    loss: Tensor = _FusedSoftmax.apply(tastes, items, targets, ring.tracks, terms, product_type)
    return loss


def quick_product_type(vectors: Tensor) -> torch.dtype:
    """Choose the type in which a full softmax of some vectors is quickest: bfloat16 on a CPU that multiplies it."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not say
    has_bfloat16 = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return torch.bfloat16 if vectors.device.type == "cpu" and has_bfloat16 else vectors.dtype


class _FusedSoftmax(Function):
    """Compute the gradients in the forward pass, chunk by chunk, so that no (N, M) tensor is ever kept.

    With p = softmax(logits), d loss / d logits = (p - onehot(target)) / N. Products are of powers of two before their
    division by their sum; exp2 takes a third of the time of exp.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any,
        tastes: Tensor,
        items: Tensor,
        targets: Tensor,
        tracks: Tensor,
        terms: Tensor,
        product_type: torch.dtype,
    ) -> Tensor:
        num_answers = len(tastes)
        d_tastes, d_items, d_terms = torch.empty_like(tastes), torch.zeros_like(items), torch.empty_like(terms)
        loss, rounded_items = tastes.new_zeros(()), items.to(product_type)
        chunk = _Chunk(min(_CHUNK, num_answers), items, product_type)
        for begin in range(0, num_answers, _CHUNK):
            part = slice(begin, begin + _CHUNK)
            target = targets[part, None]  # (n, 1)
            rounded, powers = chunk.begin_of(len(target))  # (n, M) each
            powers.copy_(torch.mm((tastes[part] * _BITS).to(product_type), rounded_items.T, out=rounded))
            powers.scatter_add_(1, tracks[part], terms[part] * _BITS)
            target_bits = powers.gather(1, target)  # (n, 1)
            highest = powers.amax(1, keepdim=True)  # (n, 1)
            rounded.copy_(powers.sub_(highest).exp2_())
            totals = powers.sum(1, keepdim=True)  # (n, 1)
            shares = 1 / (num_answers * totals)  # (n, 1)
            loss += (totals.log2() + highest - target_bits).sum() / (_BITS * num_answers)
            d_tastes[part] = torch.mm(rounded, rounded_items) * shares - items[target[:, 0]] / num_answers
            d_items += torch.mm(rounded.T, (tastes[part] * shares).to(product_type))
            d_terms[part] = powers.gather(1, tracks[part]) * shares - (tracks[part] == target) / num_answers  # (n, W)
        d_items.index_add_(0, targets, tastes, alpha=-1 / num_answers)
        ctx.save_for_backward(d_tastes, d_items, d_terms)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, Tensor, None]:
        d_tastes, d_items, d_terms = ctx.saved_tensors
        return d_tastes * grad, d_items * grad, None, None, d_terms * grad, None


class _Chunk:
    """Room for the logits of n answers, used again and again: freed large blocks go back to the kernel."""

    def __init__(self, num_answers: int, items: Tensor, product_type: torch.dtype) -> None:
        self._powers = items.new_empty(num_answers, len(items))
        is_exact = product_type == items.dtype
        self._rounded = self._powers if is_exact else torch.empty_like(self._powers, dtype=product_type)

    def begin_of(self, num_answers: int) -> tuple[Tensor, Tensor]:
        """Return the room for products and for powers; the same if nothing is rounded, so that copies cost nothing."""
        powers = self._powers[:num_answers]
        return powers if self._rounded is self._powers else self._rounded[:num_answers], powers


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
