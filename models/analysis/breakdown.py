"""Breakdowns: how the hit rate depends on the length of the history, the gap, and the popularity of the track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import Estimate, estimate, short_term_metrics
from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Lists, Part, Split

_LENGTHS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_GAPS_S: Final = {
    "under 3 min": 0,
    "3 min": 180,
    "6 min": 360,
    "30 min": 1800,
    "2 h": 7200,
    "12 h": 43_200,
    "2 days": 172_800,
    "a week": 604_800,
    "a month": 2_592_000,
}
_NUM_DECILES: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Anchors that have something in common.

    Attributes:
        label: what they have in common, or where the bin begins.
        num_anchors: number of anchors, 1 or more.
        hit_rate: HR@20 at them.
    """

    label: str
    num_anchors: int
    hit_rate: Estimate


def break_down(
    split: Split, part: Part, of_seeds: Sequence[Lists], *, short_term_stride: int = 1
) -> Mapping[str, Sequence[Bin]]:
    """Break HR@20 down in three ways, each over all anchors; empty bins are left out.

    Args:
        split: the plays.
        part: the lists answer at its anchors.
        of_seeds: the lists of one system, one for each seed; the hits at an anchor are averaged.
        short_term_stride: every how many anchors are evaluated.

    Returns:
        By "history_length", in plays up to the anchor; by "gap", the time between the anchor and its target; by
        "popularity_decile" of the target: 1 holds the tenth of the tracks with the most plays before T1.
    """
    anchors = split.anchors(part)[::short_term_stride]
    hits = np.mean(
        [short_term_metrics(split, anchors, lists.short_term[::short_term_stride])["HR@20"] for lists in of_seeds],
        axis=0,
    )  # (A,)
    listeners = split.histories.listeners()[anchors]
    lengths = anchors - split.histories.bounds[listeners] + 1
    gaps_s = (split.histories.played_at_ms[anchors + 1] - split.histories.played_at_ms[anchors]) // 1000
    bins = {
        "history_length": (np.searchsorted(_LENGTHS, lengths, side="right") - 1, _names(_LENGTHS)),
        "gap": (np.searchsorted(list(_GAPS_S.values()), gaps_s, side="right") - 1, list(_GAPS_S)),
        "popularity_decile": (
            _deciles(split)[split.rows[anchors + 1] - FIRST_TRACK],
            [str(number) for number in range(1, _NUM_DECILES + 1)],
        ),
    }
    return {
        name: [
            Bin(label, int(is_inside.sum()), estimate(hits[is_inside], listeners[is_inside]))
            for number, label in enumerate(labels)
            if (is_inside := numbers == number).any()
        ]
        for name, (numbers, labels) in bins.items()
    }


def _names(edges: Sequence[int]) -> list[str]:
    """Name the bins between edges: 1, 2-4, ..., 500+."""
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    return [*names, f"{edges[-1]}+"]


def _deciles(split: Split) -> NDArray[np.int64]:
    """Divide the catalogue into tenths by plays before T1, equals by row: int64 (M,), 0..9, 0 the most played."""
    train = split.histories.played_at_ms < split.t1_ms
    counts = np.bincount(split.rows[train] - FIRST_TRACK, minlength=len(split.catalogue))
    deciles = np.empty(len(counts), np.int64)
    deciles[np.argsort(-counts, kind="stable")] = np.arange(len(counts)) * _NUM_DECILES // len(counts)
    return deciles
