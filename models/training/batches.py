"""Batches: pieces of listeners' plays, put together so that little is padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.criterion import Pieces


def cut_pieces(bounds: NDArray[np.int64], size: int) -> Pieces:
    """Cut every listener's plays but the last, which has no target, into pieces of at most `size`."""
    lengths = np.maximum(np.diff(bounds) - 1, 0)
    counts = -(-lengths // size)
    limits = np.repeat(bounds[1:], counts)
    nth = np.arange(len(limits)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.repeat(bounds[:-1], counts) + nth * size
    return Pieces(begins, np.minimum(begins + size, limits - 1), limits)


def draw_batches(pieces: Pieces, num_plays: int, rng: np.random.Generator) -> list[Pieces]:
    """Put pieces of similar length together, about `num_plays` to a batch, in random order."""
    lengths = pieces.ends - pieces.begins
    noise = rng.random(len(lengths)) * np.maximum(2, 0.15 * lengths)  # other company every epoch
    order = np.argsort(-(lengths + noise), kind="stable")
    batches = []
    begin = 0
    while begin < len(order):
        size = max(1, num_plays // int(lengths[order[begin]]))
        batches.append(pieces.of(order[begin : begin + size]))
        begin += size
    rng.shuffle(batches)
    return batches
