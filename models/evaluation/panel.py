"""The panel: the long-known listeners on whose newest plays weights are judged, none of whom outweighs the others.

A script can send any number of plays, under any number of fresh names. So each listener counts for at most `MAX_WEIGHT`
plays, and only listeners with older plays are included; if there are hardly any, as on a service's first day, all
listeners are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import LONG_TERM_STRIDE, Estimate, bootstrap, long_term_metrics, short_term_metrics
from models.plays.split import Lists, Split, long_term_truths

MAX_WEIGHT: Final = 20
"""Plays that a listener counts for at most, however many were judged."""

MIN_LISTENERS: Final = 10
"""Fewer cannot be resampled into an interval that means anything."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One metric at each of A anchors.

    Attributes:
        values: float64 (A,).
        listeners: int64 (A,), the listener of each anchor.
    """

    values: NDArray[np.float64]
    listeners: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Panel:
    """The listeners whose plays judge weights, on the test part of a split.

    Attributes:
        split: the plays; those from T2 on judge.
        is_member: bool (B,), which listeners of the split's histories are included.
        is_long_known: whether only listeners with older plays are included.
        num_plays: how many plays judge.
        num_listeners: how many listeners are included.
    """

    split: Split
    is_member: NDArray[np.bool_]
    is_long_known: bool
    num_plays: int
    num_listeners: int

    @property
    def is_large_enough(self) -> bool:
        """Whether an interval over its listeners means anything."""
        return self.num_listeners >= MIN_LISTENERS

    def measure(self, lists: Lists) -> dict[str, Outcomes]:
        """Measure HR@20, MRR@20 and recall@100 on the panel's plays; a metric without any is missing."""
        outcomes = _outcomes(self.split, lists)
        chosen = {name: self.is_member[each.listeners] for name, each in outcomes.items()}
        return {
            name: Outcomes(each.values[chosen[name]], each.listeners[chosen[name]])
            for name, each in outcomes.items()
            if chosen[name].any()
        }


def choose_panel(split: Split, known_before_ms: int) -> Panel:
    """Choose the panel of the test part: the listeners who had played a known track before a time."""
    histories = split.histories
    firsts_ms = np.minimum.reduceat(histories.played_at_ms, histories.bounds[:-1])
    counts = np.bincount(histories.listeners()[split.anchors("test")], minlength=histories.num_listeners)  # (B,)
    long_known = (counts > 0) & (firsts_ms < known_before_ms)
    is_long_known = int(long_known.sum()) >= MIN_LISTENERS
    is_member = long_known if is_long_known else counts > 0
    return Panel(split, is_member, is_long_known, int(counts[is_member].sum()), int(is_member.sum()))


def _outcomes(split: Split, lists: Lists) -> dict[str, Outcomes]:
    """Measure lists at every anchor of the test part; the anchors do not depend on the lists."""
    anchors, listeners = split.anchors("test"), split.histories.listeners()
    truths = long_term_truths(split, "test", stride=LONG_TERM_STRIDE)
    short_term = short_term_metrics(split, anchors, lists.short_term)
    rows = lists.long_term[np.searchsorted(anchors, truths.anchors)]  # (L, 100)
    long_term = long_term_metrics(truths, rows, np.ones(len(truths.rows), np.bool_))
    return {
        "HR@20": Outcomes(short_term["HR@20"], listeners[anchors]),
        "MRR@20": Outcomes(short_term["MRR@20"], listeners[anchors]),
        "recall@100": Outcomes(long_term["recall@100"], listeners[truths.anchors]),
    }


def weigh(outcome: Outcomes) -> Estimate:
    """Average over plays, each listener counting for at most `MAX_WEIGHT`, with a 95 % bootstrap over listeners."""
    _, places = np.unique(outcome.listeners, return_inverse=True)
    counts = np.bincount(places)  # (listeners,)
    means = np.bincount(places, outcome.values) / counts
    weights = np.minimum(counts, MAX_WEIGHT)
    low, high = bootstrap(weights * means, weights)
    return Estimate(float(np.average(means, weights=weights)), low, high)


def weigh_differences(mine: Mapping[str, Outcomes], theirs: Mapping[str, Outcomes]) -> dict[str, Estimate]:
    """Estimate how much better one set of outcomes is than another on the same plays, metric by metric."""
    return {name: weigh(Outcomes(mine[name].values - theirs[name].values, mine[name].listeners)) for name in mine}
