"""A layout: vectors on a plane, so that neighbours stay neighbours (t-SNE in time N log N).

docs/map.md says what libraries would cost and how close they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.training.neighbourhoods import Neighbourhoods, find_neighbourhoods, pull_together
from models.training.quadtree import push_apart

_ANGLE: Final = 1.0
_START_WIDTH: Final = 1e-4
_LEAST_RATE: Final = 5.0  # for less than 60 points
_RATE_DIVISOR: Final = 12.0  # Belkina et al. 2019
_SEED: Final = 1

ReportSteps = Callable[[int, int], None]
"""Called after every step with the number of steps done, and of all."""


class _Phase(NamedTuple):
    """Steps in which neighbours attract each other more than they should; with momentum."""

    num_steps: int
    exaggeration: float
    momentum: float


#: Clusters form while they are still small enough to pass each other, then take their room.
_AFRESH: Final = (_Phase(120, 12.0, 0.5), _Phase(380, 1.0, 0.8))

#: Enough to seat new points; with exaggeration, all others would move twice as far.
_FROM_EARLIER: Final = (_Phase(200, 1.0, 0.8),)


def ignore_steps(_: int, __: int) -> None:
    """Do nothing."""


def lay_out(
    vectors: NDArray[np.float32], start: NDArray[np.float32] | None = None, report: ReportSteps = ignore_steps
) -> NDArray[np.float32]:
    """Lay N unit vectors out on a plane.

    Args:
        vectors: float32 (N, E).
        start: float32 (N, 2), an earlier layout in its own units, NaN for points that it lacks: they start amid their
            neighbours, and all others stay about where they were; None: afresh.
        report: an exception from it ends the layout.

    Returns:
        float32 (N, 2), around the origin; the same for the same vectors on the same processor.

    Source: van der Maaten 2014.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2), np.float32)
    neighbourhoods = find_neighbourhoods(vectors)
    if start is None or np.isnan(start).all():
        return _descend(first_places(vectors), neighbourhoods, _AFRESH, report)
    return _descend(_seat(start, neighbourhoods.nearest), neighbourhoods, _FROM_EARLIER, report)


def first_places(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute where points start: on the two directions of most variance, close together, no two in one place."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, -2:]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # which the decomposition leaves open
    places = np.random.default_rng(_SEED).normal(0, _START_WIDTH / 100, (len(vectors), 2))
    components = centred @ axes
    places[:, : components.shape[1]] += _START_WIDTH * components / np.maximum(components.std(axis=0), 1e-12)
    return places.astype(np.float32)


def _seat(start: NDArray[np.float32], nearest: NDArray[np.int64]) -> NDArray[np.float32]:
    """Put points without a place amid those of their neighbours that have one, or at the origin."""
    of_neighbours = start[nearest]  # (N, k, 2)
    is_there = ~np.isnan(of_neighbours)
    num = np.maximum(is_there.sum(axis=1), 1)
    amid = np.where(is_there, of_neighbours, 0).sum(axis=1) / num
    amid += np.random.default_rng(_SEED).normal(0, 0.1, amid.shape)  # no two in one place
    return np.where(np.isnan(start), amid, start).astype(np.float32)


def _descend(
    places: NDArray[np.float32], neighbourhoods: Neighbourhoods, phases: tuple[_Phase, ...], report: ReportSteps
) -> NDArray[np.float32]:
    """Move places down the gradient of t-SNE's loss, each coordinate at a pace of its own."""
    rate = np.float32(max(len(places) / _RATE_DIVISOR, _LEAST_RATE))
    velocity, gains = np.zeros_like(places), np.ones_like(places)
    steps = [phase for phase in phases for _ in range(phase.num_steps)]
    for number, phase in enumerate(steps, 1):
        gradient = slope(places, neighbourhoods, phase.exaggeration, _ANGLE)
        gains = np.where(gradient * velocity < 0, gains + np.float32(0.2), gains * np.float32(0.8))
        gains = np.maximum(gains, np.float32(0.01))
        velocity = np.float32(phase.momentum) * velocity - rate * gains * gradient
        places = places + velocity
        places -= places.mean(axis=0)
        report(number, len(steps))
    return places


def slope(
    places: NDArray[np.float32], neighbourhoods: Neighbourhoods, exaggeration: float, angle: float
) -> NDArray[np.float32]:
    """Compute the gradient of t-SNE's loss at places: float32 (N, 2); exact if the angle is 0."""
    pushes, total = push_apart(places, angle)
    pulls = pull_together(places, neighbourhoods.starts, neighbourhoods.others, neighbourhoods.shares)
    gradient: NDArray[np.float32] = np.float32(4) * (np.float32(exaggeration) * pulls - pushes / np.float32(total))
    return gradient
