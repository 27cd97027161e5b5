"""Batches: pieces of listeners' plays, grouped by length to keep padding small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.criterion import Pieces


def cut_pieces(bounds: NDArray[np.int64], size: int) -> Pieces:
    """Cut the plays of B listeners, except the last of each, which has no target, into S pieces of at most `size`."""
    lengths = np.maximum(np.diff(bounds) - 1, 0)  # (B,)
    counts = -(-lengths // size)  # (B,)
    limits = np.repeat(bounds[1:], counts)  # (S,)
    nth = np.arange(len(limits)) - np.repeat(np.cumsum(counts) - counts, counts)  # (S,)
    begins = np.repeat(bounds[:-1], counts) + nth * size  # (S,)
    return Pieces(begins, np.minimum(begins + size, limits - 1), limits)


def draw_batches(pieces: Pieces, num_plays: int, rng: np.random.Generator) -> list[Pieces]:
    """Group pieces of similar length, about `num_plays` plays to a batch, in random order."""
    lengths = pieces.ends - pieces.begins
    noise = rng.random(len(lengths)) * np.maximum(2, 0.15 * lengths)  # other neighbours every epoch
    order = np.argsort(-(lengths + noise), kind="stable")
    batches = []
    begin = 0
    while begin < len(order):
        size = max(1, num_plays // int(lengths[order[begin]]))
        batches.append(pieces.of(order[begin : begin + size]))
        begin += size
    rng.shuffle(batches)
    return batches
