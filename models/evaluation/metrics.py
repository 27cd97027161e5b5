"""Metrics of lists, and their means with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.plays.split import LongTermTruths, Split

LONG_TERM_STRIDE: Final = 3
"""Every how many anchors one is asked for its coming weeks: those of neighbouring anchors are nearly the same."""

_NUM_RESAMPLES: Final = 300
_GAINS: Final = 1 / np.log2(np.arange(2, LONG_TERM_SIZE + 2))  # (100,), of a hit at each place


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def short_term_metrics(
    split: Split, anchors: NDArray[np.int64], rows: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Measure lists (A, 20) against the next plays: each metric (A,)."""
    hits = rows == split.rows[anchors + 1][:, None]  # (A, 20)
    places = hits.argmax(1)  # (A,)
    is_hit = hits.any(1)  # (A,)
    return {
        "HR@20": is_hit.astype(np.float64),
        "MRR@20": np.where(is_hit, 1 / (places + 1), 0.0),
        "nDCG@10": np.where(is_hit & (places < 10), _GAINS[places], 0.0),
    }


def long_term_metrics(
    truths: LongTermTruths, rows: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Measure lists (L, 100) against the chosen truths: each metric (L,), NaN where an anchor has none."""
    metrics = {name: np.full(len(rows), np.nan) for name in ("recall@100", "precision@20", "nDCG@100")}
    ideals = np.cumsum(_GAINS)
    for place, (begin, end) in enumerate(zip(truths.bounds[:-1], truths.bounds[1:], strict=True)):
        truth = truths.rows[begin:end][chosen[begin:end]]
        if not len(truth):
            continue
        hits = np.isin(rows[place], truth)
        metrics["recall@100"][place] = hits.sum() / len(truth)
        metrics["precision@20"][place] = hits[:SHORT_TERM_SIZE].sum() / SHORT_TERM_SIZE
        metrics["nDCG@100"][place] = (hits * _GAINS[: len(hits)]).sum() / ideals[min(len(truth), LONG_TERM_SIZE) - 1]
    return metrics


def estimate(values: NDArray[np.float64], listeners: NDArray[np.int64]) -> Estimate:
    """Average over anchors, resampling listeners: a listener's anchors are drawn together."""
    _, places = np.unique(listeners, return_inverse=True)
    low, high = bootstrap(np.bincount(places, values).astype(np.float64), np.bincount(places))
    return Estimate(float(values.mean()), low, high)


def bootstrap(sums: NDArray[np.float64], weights: NDArray[np.int64]) -> tuple[float, float]:
    """Compute the 95 % percentile interval of a mean by resampling its L listeners.

    Args:
        sums: float64 (L,), the sum of each listener's values.
        weights: int64 (L,), each listener's weight, at least 1; the mean is the ratio of the two totals.
    """
    shares = np.full(len(sums), 1 / len(sums))
    drawn = np.random.default_rng(0).multinomial(len(sums), shares, size=_NUM_RESAMPLES)  # (resamples, listeners)
    low, high = np.percentile((drawn @ sums) / (drawn @ weights), [2.5, 97.5])
    return float(low), float(high)
