"""Bots: stretches of a window of plays in which scripts were at work rather than listeners.

A window is cut, in the order of arrival, into stretches; the new plays at its end begin one, if they are enough for it.
Four shares are taken:

    busiest   plays by the busiest hundredth of the listeners: few scripts, much traffic. Where stretches have fewer
              than a hundred listeners, anybody may stand out who just listens for long: nothing is said of it
    top ten   of the pairs of a listener and a track, those with the ten most common tracks: many scripts, few tracks
    in step   of the pairs of a listener and a step from one track to the next, those with a step that others made too:
              many scripts, few lists
    again     plays of the track that the same listener played just before: a loop

A stretch is suspicious where a share stands out from what is usual in the window: its odds are more than `ODDS` times
those of the usual share, and it is higher by more than `MARGIN`. Usual is the lower quartile of all stretches: up to
three quarters of a window may be poisoned before the poison looks usual, and what has been true of most of a window is
no attack but how people listen now.

Scripts begin and end somewhere in a stretch, too few there to stand out: the two beside a suspicious one are trusted no
more than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_STRETCH_PLAYS: Final = 2000
"""Of fewer, every share is noise."""

MAX_STRETCH_PLAYS: Final = 10_000

MIN_STRETCHES: Final = 4
"""Of fewer, none is usual."""

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
    """What the S stretches of a window of P plays are like.

    Attributes:
        bounds: int64 (S + 1,), of the stretches among the plays.
        first_new: where the new plays begin, 0..P.
        shares: float64 (S, 4), busiest, top ten, in step and again; NaN where there is none.
        usual: float64 (4,), of the window; NaN where it has nothing usual.
        suspicious: bool (S, 4).
    """

    bounds: NDArray[np.int64]
    first_new: int
    shares: NDArray[np.float64]
    usual: NDArray[np.float64]
    suspicious: NDArray[np.bool_]

    @property
    def is_trusted(self) -> NDArray[np.bool_]:
        """The plays of no suspicious stretch, nor of one beside: bool (P,)."""
        suspicious = np.pad(self.suspicious.any(1), 1)
        return np.repeat(~(suspicious[:-2] | suspicious[1:-1] | suspicious[2:]), np.diff(self.bounds))

    @property
    def suspicious_share(self) -> float:
        """The share of the new plays that stand in suspicious stretches."""
        new = np.repeat(self.suspicious.any(1), np.diff(self.bounds))[self.first_new :]
        return float(new.mean()) if len(new) else 0.0

    def suspicions(self) -> str:
        """Say what stands out among the new plays, at its worst; empty: nothing does."""
        return "; ".join(self._worst(self.bounds[1:] > self.first_new))

    def _worst(self, new: NDArray[np.bool_]) -> Iterator[str]:
        for share, words in enumerate(_WORDS):
            found = self.shares[new & self.suspicious[:, share], share]
            if len(found):
                yield words.format(found.max(), self.usual[share])


def find_bots(listeners: NDArray[np.int64], tracks: NDArray[np.int64], first_new: int) -> BotActivity:
    """Look for scripts in a window; in one too short to have anything usual, nothing is suspicious.

    Args:
        listeners: int64 (P,), in the order of arrival, any numbers.
        tracks: int64 (P,), any numbers.
        first_new: how many plays have been looked at before, 0..P.
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
    suspicious = (_odds(shares) > ODDS * _odds(usual)) & (shares > usual + MARGIN)  # nothing is more than NaN
    return BotActivity(bounds, first_new, shares, usual, suspicious)


def _usual(shares: NDArray[np.float64]) -> float:
    """Give the lower quartile of the shares that are known; NaN where they are too few."""
    known = shares[~np.isnan(shares)]
    return float(np.quantile(known, 0.25)) if len(known) >= MIN_STRETCHES else np.nan


def _cut(begin: int, end: int, size: int) -> NDArray[np.int64]:
    """Give the begins of stretches of `size` plays at least, as even as can be; of fewer plays, one."""
    num = max(1, (end - begin) // size) if end > begin else 0
    return np.linspace(begin, end, num, endpoint=False).astype(np.int64)


def _busiest(listeners: NDArray[np.int64]) -> float:
    """Give the share of the plays that come from the busiest hundredth of the listeners, one at least."""
    counts = np.sort(np.unique(listeners, return_counts=True)[1])[::-1]
    return float(counts[: max(1, len(counts) // 100)].sum() / len(listeners))


def _top_ten(listeners: NDArray[np.int64], tracks: NDArray[np.int64]) -> float:
    """Give the share of the ten most common tracks among what was played by whom, however often each."""
    pairs = np.unique(np.stack([listeners, tracks]), axis=1)
    counts = np.sort(np.unique(pairs[1], return_counts=True)[1])[::-1]
    return float(counts[:_TOP_TRACKS].sum() / pairs.shape[1])


def _in_step(listeners: NDArray[np.int64], tracks: NDArray[np.int64]) -> float:
    """Give the share of the steps that several listeners made among what was done by whom, however often each."""
    order = np.argsort(listeners, kind="stable")
    whose, path = listeners[order], tracks[order]
    goes_on = whose[1:] == whose[:-1]
    steps = np.stack([whose[1:], path[:-1], path[1:]])[:, goes_on]
    made = np.unique(steps, axis=1)
    _, counts = np.unique(made[1:], axis=1, return_counts=True)
    return float(counts[counts > 1].sum() / max(1, counts.sum()))


def _plays_again(listeners: NDArray[np.int64], tracks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell the plays of the track that their listener played just before: bool (P,)."""
    order = np.argsort(listeners, kind="stable")
    again = np.zeros(len(tracks), np.bool_)
    again[order[1:]] = (np.diff(listeners[order]) == 0) & (np.diff(tracks[order]) == 0)
    return again


def _odds(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return shares / np.maximum(1 - shares, 1e-9)
