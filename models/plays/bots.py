"""Bots: stretches of a window of plays that scripts produced rather than listeners.

A window is cut into stretches in order of arrival. The new plays at its end start a stretch of their own if there are
enough of them:

    window       [ plays examined before           | new plays     ]
    stretches    [   0   |   1   |   2   |    3    |   4   |   5   ]
    suspicious       -       -       -        -        x       -
    trusted         yes     yes     yes      no       no      no

The neighbours of a suspicious stretch are not trusted either: scripts start and stop in the middle of a stretch, where
they may make up too few of the plays to be noticed.

Four shares are computed of each stretch:

    busiest   plays by the busiest hundredth of the listeners: few scripts, much traffic. Not judged if stretches have
              fewer than a hundred listeners: then one person who listens for hours would already look suspicious
    top ten   among pairs of a listener and a track, those with the ten most common tracks: many scripts, few tracks
    in step   among pairs of a listener and a step from one track to the next, those whose step other listeners made
              too: many scripts, few lists
    again     plays of the track that the same listener played just before: a loop

A stretch is suspicious if the odds of one of its shares are more than `ODDS` times the usual odds and the share exceeds
the usual one by more than `MARGIN`. The usual share is the lower quartile of all stretches. So up to three quarters of
a window may be poisoned before the poison looks usual; what holds for more of it is not an attack but how people listen
now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_STRETCH_PLAYS: Final = 2000
"""With fewer, every share is noise."""

MAX_STRETCH_PLAYS: Final = 10_000

MIN_STRETCHES: Final = 4
"""With fewer, no share is usual."""

ODDS: Final = 3.0
MARGIN: Final = 0.15

_NUM_STRETCHES: Final = 20  # of a window between the two sizes
_TOP_TRACKS: Final = 10
_FEWEST_LISTENERS: Final = 100
_WORDS: Final = (
    "{:.0%} of the plays came from the busiest hundredth of the listeners (usual: {:.0%})",
    "{:.0%} of what the listeners played was one of the same ten tracks (usual: {:.0%})",
    "{:.0%} of the steps from one track to the next were made by several listeners (usual: {:.0%})",
    "{:.0%} of the plays were of the track the same listener had played just before (usual: {:.0%})",
)


@dataclass(frozen=True, slots=True)
class BotActivity:
    """The shares of the S stretches of a window of P plays.

    Attributes:
        bounds: int64 (S + 1,), the stretches among the plays.
        first_new: index of the first new play, 0..P.
        shares: float64 (S, 4), busiest, top ten, in step and again; NaN where a share is not judged.
        usual: float64 (4,), of the window; NaN where nothing is usual.
        suspicious: bool (S, 4).
    """

    bounds: NDArray[np.int64]
    first_new: int
    shares: NDArray[np.float64]
    usual: NDArray[np.float64]
    suspicious: NDArray[np.bool_]

    @property
    def is_trusted(self) -> NDArray[np.bool_]:
        """Mark the plays that are neither in a suspicious stretch nor in a neighbour of one: bool (P,)."""
        suspicious = np.pad(self.suspicious.any(1), 1)
        return np.repeat(~(suspicious[:-2] | suspicious[1:-1] | suspicious[2:]), np.diff(self.bounds))

    @property
    def suspicious_share(self) -> float:
        """Compute the share of the new plays that are in suspicious stretches."""
        new = np.repeat(self.suspicious.any(1), np.diff(self.bounds))[self.first_new :]
        return float(new.mean()) if len(new) else 0.0

    def suspicions(self) -> str:
        """Describe the worst of each suspicious share among the new plays; empty if none is suspicious."""
        return "; ".join(self._worst(self.bounds[1:] > self.first_new))

    def _worst(self, new: NDArray[np.bool_]) -> Iterator[str]:
        for share, words in enumerate(_WORDS):
            suspicious = self.shares[new & self.suspicious[:, share], share]
            if len(suspicious):
                yield words.format(suspicious.max(), self.usual[share])


def find_bots(listeners: NDArray[np.int64], tracks: NDArray[np.int64], first_new: int) -> BotActivity:
    """Look for scripts in a window; in a window too short for anything to be usual, nothing is suspicious.

    Args:
        listeners: int64 (P,), in order of arrival, any numbers.
        tracks: int64 (P,), any numbers.
        first_new: number of plays that have been examined before, 0..P.
    """
    size = min(max(len(tracks) // _NUM_STRETCHES, MIN_STRETCH_PLAYS), MAX_STRETCH_PLAYS)
    has_two_sides = min(first_new, len(tracks) - first_new) >= MIN_STRETCH_PLAYS
    sides = [(0, first_new), (first_new, len(tracks))] if has_two_sides else [(0, len(tracks))]
    bounds = np.concatenate([*(_cut(*ends, size) for ends in sides), [len(tracks)]])
    again = _plays_again(listeners, tracks)
    parts = [slice(*ends) for ends in pairwise(bounds)]
    shares = np.array(
        [
            (
                _busiest(listeners[part]),
                _top_ten(listeners[part], tracks[part]),
                _in_step(listeners[part], tracks[part]),
                again[part].mean(),
            )
            for part in parts
        ]
    ).reshape(-1, len(_WORDS))
    if parts and np.median([len(np.unique(listeners[part])) for part in parts]) < _FEWEST_LISTENERS:
        shares[:, 0] = np.nan
    usual = np.array([_usual(of_stretches) for of_stretches in shares.T])
    suspicious = (_odds(shares) > ODDS * _odds(usual)) & (shares > usual + MARGIN)  # False wherever NaN
    return BotActivity(bounds, first_new, shares, usual, suspicious)


def _usual(shares: NDArray[np.float64]) -> float:
    """Compute the lower quartile of the shares that are known; NaN if they are too few."""
    known = shares[~np.isnan(shares)]
    return float(np.quantile(known, 0.25)) if len(known) >= MIN_STRETCHES else np.nan


def _cut(begin: int, end: int, size: int) -> NDArray[np.int64]:
    """Cut plays as evenly as possible into stretches of at least `size`, or into one if there are fewer: the starts."""
    num = max(1, (end - begin) // size) if end > begin else 0
    return np.linspace(begin, end, num, endpoint=False).astype(np.int64)


def _busiest(listeners: NDArray[np.int64]) -> float:
    """Compute the share of the plays that come from the busiest hundredth of the listeners, at least one listener."""
    counts = np.sort(np.unique(listeners, return_counts=True)[1])[::-1]
    return float(counts[: max(1, len(counts) // 100)].sum() / len(listeners))


def _top_ten(listeners: NDArray[np.int64], tracks: NDArray[np.int64]) -> float:
    """Compute the share of distinct (listener, track) pairs whose track is one of the ten most common."""
    pairs = np.unique(np.stack([listeners, tracks]), axis=1)  # (2, pairs)
    counts = np.sort(np.unique(pairs[1], return_counts=True)[1])[::-1]  # listeners of each track
    return float(counts[:_TOP_TRACKS].sum() / pairs.shape[1])


def _in_step(listeners: NDArray[np.int64], tracks: NDArray[np.int64]) -> float:
    """Compute the share of distinct (listener, step) pairs whose step several listeners made."""
    order = np.argsort(listeners, kind="stable")
    owners, path = listeners[order], tracks[order]
    is_step = owners[1:] == owners[:-1]
    steps = np.stack([owners[1:], path[:-1], path[1:]])[:, is_step]  # (3, steps)
    distinct = np.unique(steps, axis=1)
    _, counts = np.unique(distinct[1:], axis=1, return_counts=True)  # listeners of each step
    return float(counts[counts > 1].sum() / max(1, counts.sum()))


def _plays_again(listeners: NDArray[np.int64], tracks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the plays of the track that their listener played just before: bool (P,)."""
    order = np.argsort(listeners, kind="stable")
    again = np.zeros(len(tracks), np.bool_)
    again[order[1:]] = (np.diff(listeners[order]) == 0) & (np.diff(tracks[order]) == 0)
    return again


def _odds(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return shares / np.maximum(1 - shares, 1e-9)
