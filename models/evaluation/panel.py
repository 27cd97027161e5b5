"""The jury: the long-known listeners by whose newest plays weights are judged, none of whom outweighs the others.

Whoever sends plays by script can send any number of them, under any number of fresh names. So nobody's plays count for
more than `MAX_WEIGHT` of them, and only those sit who had been there before; where hardly anybody had, as in a service
of a day, everybody sits.
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
"""Plays: whoever is asked more often counts as if asked so often."""

MIN_LISTENERS: Final = 10
"""Fewer cannot be resampled into an interval that means anything."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One metric at each of the anchors that were asked.

    Attributes:
        values: float64 (A,).
        listeners: int64 (A,), whose anchors they are.
    """

    values: NDArray[np.float64]
    listeners: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Who judges, on the test part of a split.

    Attributes:
        split: the plays; those from T2 on are asked.
        seats: bool (B,), which listeners of the split's histories sit.
        is_long_known: whether only those sit who had been there before.
        num_plays: how many are asked.
        num_listeners: whose they are.
    """

    split: Split
    seats: NDArray[np.bool_]
    is_long_known: bool
    num_plays: int
    num_listeners: int

    @property
    def is_large_enough(self) -> bool:
        """Whether an interval over its listeners means anything."""
        return self.num_listeners >= MIN_LISTENERS

    def measure(self, lists: Lists) -> dict[str, Outcomes]:
        """Measure HR@20, MRR@20 and recall@100 at the plays asked; a metric for which nobody has plays is missing."""
        found = _outcomes(self.split, lists)
        seated = {name: self.seats[each.listeners] for name, each in found.items()}
        return {
            name: Outcomes(each.values[seated[name]], each.listeners[seated[name]])
            for name, each in found.items()
            if seated[name].any()
        }


def choose_panel(split: Split, known_before_ms: int) -> Panel:
    """Choose who judges on the test part: those who had played a known track before a time."""
    histories = split.histories
    firsts_ms = np.minimum.reduceat(histories.played_at_ms, histories.bounds[:-1])
    asked = np.bincount(histories.listeners()[split.anchors("test")], minlength=histories.num_listeners)
    long_known = (asked > 0) & (firsts_ms < known_before_ms)
    is_long_known = int(long_known.sum()) >= MIN_LISTENERS
    seats = long_known if is_long_known else asked > 0
    return Panel(split, seats, is_long_known, int(asked[seats].sum()), int(seats.sum()))


def _outcomes(split: Split, lists: Lists) -> dict[str, Outcomes]:
    """Measure lists at every anchor of the test part; of other lists, the outcomes stand at the same anchors."""
    anchors, listeners = split.anchors("test"), split.histories.listeners()
    truths = long_term_truths(split, "test", stride=LONG_TERM_STRIDE)
    short_term = short_term_metrics(split, anchors, lists.short_term)
    asked = lists.long_term[np.searchsorted(anchors, truths.anchors)]
    long_term = long_term_metrics(truths, asked, np.ones(len(truths.rows), np.bool_))
    return {
        "HR@20": Outcomes(short_term["HR@20"], listeners[anchors]),
        "MRR@20": Outcomes(short_term["MRR@20"], listeners[anchors]),
        "recall@100": Outcomes(long_term["recall@100"], listeners[truths.anchors]),
    }


def weigh(outcome: Outcomes) -> Estimate:
    """Average over plays, nobody's counting for more than `MAX_WEIGHT`; a 95 % percentile bootstrap over listeners."""
    _, places = np.unique(outcome.listeners, return_inverse=True)
    counts = np.bincount(places)  # (listeners,)
    means = np.bincount(places, outcome.values) / counts
    weights = np.minimum(counts, MAX_WEIGHT)
    low, high = bootstrap(weights * means, weights)
    return Estimate(float(np.average(means, weights=weights)), low, high)


def weigh_differences(mine: Mapping[str, Outcomes], theirs: Mapping[str, Outcomes]) -> dict[str, Estimate]:
    """Estimate by how much one answerer is better than another at the same plays, metric by metric."""
    return {name: weigh(Outcomes(mine[name].values - theirs[name].values, mine[name].listeners)) for name in mine}
