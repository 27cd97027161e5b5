"""Projection: vectors laid out on a plane so that neighbours stay neighbours (t-SNE)."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_NUM_STEPS: Final = 500
_NUM_EXAGGERATED: Final = 120  # first steps, in which neighbours attract each other more, and clusters form
_EXAGGERATION: Final = 12.0
_NUM_BISECTIONS: Final = 40
_TINY: Final = 1e-12


def project(vectors: NDArray[np.float32], *, perplexity: float = 30.0) -> NDArray[np.float32]:
    """Lay N vectors out on a plane.

    Args:
        vectors: float32 (N, E), N above three times the perplexity; time and memory grow with N squared.
        perplexity: approximate number of neighbours that count for each.

    Returns:
        float32 (N, 2), around the origin; the same for the same vectors.

    Source: van der Maaten and Hinton 2008; learning rate after Belkina et al. 2019.
    """
    points = torch.from_numpy(vectors)
    shares = _neighbour_shares(torch.cdist(points, points) ** 2, np.log(perplexity))  # (N, N)
    shares = ((shares + shares.T) / (2 * len(points))).clamp(min=_TINY)
    layout = _first_components(points)  # (N, 2)
    velocity, gains = torch.zeros_like(layout), torch.ones_like(layout)
    rate = max(len(points) / _EXAGGERATION, 50.0)
    for step in range(_NUM_STEPS):
        pull = shares * _EXAGGERATION if step < _NUM_EXAGGERATED else shares
        gradient = _gradient(pull, layout)
        gains = torch.where(gradient * velocity < 0, gains + 0.2, gains * 0.8).clamp(min=0.01)
        velocity = (0.5 if step < _NUM_EXAGGERATED else 0.8) * velocity - rate * gains * gradient
        layout = layout + velocity
        layout = layout - layout.mean(dim=0)
    placed: NDArray[np.float32] = layout.numpy()
    return placed


def _neighbour_shares(distances: Tensor, entropy: float) -> Tensor:
    """Find for each point the Gaussian of a given entropy (nats): shares of the others, (N, N), rows sum to 1."""
    low, high = torch.zeros(len(distances), 1), torch.full((len(distances), 1), torch.inf)
    sharpness = torch.ones(len(distances), 1)
    itself = torch.eye(len(distances), dtype=torch.bool)
    for _ in range(_NUM_BISECTIONS):
        logits = (-sharpness * distances).masked_fill(itself, -torch.inf)
        log_shares = logits.log_softmax(dim=1)
        shares = log_shares.exp()
        is_flat = -(shares * log_shares.masked_fill(itself, 0)).sum(dim=1, keepdim=True) > entropy  # (N, 1)
        low, high = torch.where(is_flat, sharpness, low), torch.where(is_flat, high, sharpness)
        sharpness = torch.where(high.isinf(), sharpness * 2, (low + high) / 2)
    return shares


def _first_components(points: Tensor) -> Tensor:
    """Compute the starting layout: the two directions of most variance, scaled down: (N, 2)."""
    centred = points - points.mean(dim=0)
    left, values, _ = torch.linalg.svd(centred, full_matrices=False)
    components = left[:, :2] * values[:2]
    signs = components.gather(0, components.abs().argmax(dim=0, keepdim=True)).sign()  # svd leaves signs open
    small: Tensor = 1e-4 * signs * components / components.std(dim=0)
    return small


def _gradient(shares: Tensor, layout: Tensor) -> Tensor:
    closeness = 1 / (1 + torch.cdist(layout, layout) ** 2)  # (N, N)
    closeness.fill_diagonal_(0)
    forces = (shares - closeness / closeness.sum()) * closeness  # (N, N)
    return 4 * (forces.sum(dim=1, keepdim=True) * layout - forces @ layout)
