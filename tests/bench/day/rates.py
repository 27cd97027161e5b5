"""Hit rates over time, around each release, and of releases left in place. Bots never count."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.live import live_hits
from models.evaluation.metrics import Estimate, estimate
from models.evaluation.panel import MIN_LISTENERS
from models.serving.recommender import Recommender
from streamer.local.world import DAY_MS
from tests.bench.day.notebook import Notes

NUM_AROUND: Final = 5_000
"""Number of plays compared before and after a release: two days."""

_NUM_RESAMPLES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Bin:
    """A stretch of some days.

    Attributes:
        day: its middle, in days since the first play.
        num_plays: number of judged plays.
        rate: hit rate.
    """

    day: float
    num_plays: int
    rate: Estimate


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a release.

    Attributes:
        num_before: number of the last plays judged by lists of the previous release.
        num_after: number of the first plays judged by lists of the release.
        before: hit rate of the former plays.
        after: hit rate of the latter plays.
        difference: after minus before, of different plays.
        against_the_former: after minus the hit rate of the previous release on the same plays.
    """

    num_before: int
    num_after: int
    before: Estimate
    after: Estimate
    difference: Estimate
    against_the_former: Estimate


def days(notes: Notes) -> NDArray[np.float64]:
    """Return the time of every play in days since the first: float64 (P,)."""
    elapsed_days: NDArray[np.float64] = (notes.played_at_ms - notes.played_at_ms[0]) / DAY_MS
    return elapsed_days


def hits_of(recommender: Recommender, notes: Notes, is_judged: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Judge a release as if it alone had answered from each listener's first play on.

    Returns:
        float64 (P,), NaN where it is not judged.
    """
    return live_hits(
        recommender, notes.listeners, notes.track_keys, notes.played_at_ms, notes.contexts, is_judged=is_judged
    )


def binned(hits: NDArray[np.float64], notes: Notes, bin_days: float) -> list[Bin]:
    """Average over equal stretches of time, without those of too few listeners."""
    places = (days(notes) // bin_days).astype(np.int64)
    bins = []
    for place in range(int(places[-1]) + 1):
        chosen = (places == place) & ~np.isnan(hits) & ~notes.is_bot
        if len(np.unique(notes.listeners[chosen])) >= MIN_LISTENERS:
            rate = estimate(hits[chosen], notes.listeners[chosen])
            bins.append(Bin((place + 0.5) * bin_days, int(chosen.sum()), rate))
    return bins


def is_after(notes: Notes, release: int) -> NDArray[np.bool_]:
    """Mark the first plays judged by lists of a release: bool (P,)."""
    return _some(notes, release, slice(None, NUM_AROUND))


def changes(notes: Notes, former: Sequence[NDArray[np.float64]]) -> Iterator[Change | None]:
    """Compare before and after each release but the first; None if too few listeners were judged.

    Args:
        notes: of the day.
        former: for each of these releases, the hits of the one before, where `is_after`.
    """
    for release, would_have_hit in enumerate(former, start=1):
        before, after = _some(notes, release - 1, slice(-NUM_AROUND, None)), is_after(notes, release)
        if min(len(np.unique(notes.listeners[chosen])) for chosen in (before, after)) < MIN_LISTENERS:
            yield None
            continue
        yield Change(
            num_before=int(before.sum()),
            num_after=int(after.sum()),
            before=estimate(notes.hits[before], notes.listeners[before]),
            after=estimate(notes.hits[after], notes.listeners[after]),
            difference=_difference(notes, before, after),
            against_the_former=estimate((notes.hits - would_have_hit)[after], notes.listeners[after]),
        )


def _some(notes: Notes, release: int, some: slice) -> NDArray[np.bool_]:
    chosen = np.zeros(len(notes.hits), np.bool_)
    chosen[np.flatnonzero((notes.releases == release) & ~notes.is_bot)[some]] = True
    return chosen


def _difference(notes: Notes, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Estimate:
    """Estimate after minus before, resampling listeners with their plays in both."""
    size = int(notes.listeners.max()) + 1
    sums, counts = (
        np.array([np.bincount(notes.listeners[chosen], weights[chosen], size) for chosen in (before, after)])
        for weights in (notes.hits, np.ones(len(notes.hits)))
    )  # (2, listeners) each
    present = counts.any(0)
    sums, counts = sums[:, present], counts[:, present]
    drawn = np.random.default_rng(0).multinomial(
        sums.shape[1], np.full(sums.shape[1], 1 / sums.shape[1]), size=_NUM_RESAMPLES
    )
    means = (drawn @ sums.T) / np.maximum(drawn @ counts.T, 1)  # (resamples, 2)
    low, high = np.percentile(means[:, 1] - means[:, 0], [2.5, 97.5])
    mean = sums[1].sum() / counts[1].sum() - sums[0].sum() / counts[0].sum()
    return Estimate(float(mean), float(low), float(high))
