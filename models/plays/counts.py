"""How often each listener played which tracks, beyond what the ring remembers: bounded, decayed counts.

At every play, all counts of its listener are multiplied by COUNT_DECAY, then the count of the played track grows by 1.
A track without a place takes the place of the smallest count (among equals, of the smallest key) and starts from 0.
Free places have count 0 and key 0, so they are taken first. Space-Saving (Metwally, Agrawal, El Abbadi 2005) manages
its places the same way, except that a newcomer there inherits the count it replaces.

Every play counts, including skipped plays and plays of tracks that no release knows; the passing of time changes
nothing. Counts do not depend on a release, so new weights leave them unchanged.

Law: batching is invisible, here to the last bit. Counts are multiplied in float32 play by play, never by a power of the
decay, so that no split of a history can round differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.config import COUNT_DECAY, NUM_COUNTED


@dataclass(frozen=True, slots=True)
class CountMaps:
    """The counts of B listeners, N = NUM_COUNTED tracks each.

    Attributes:
        track_keys: uint64 (B, N), each at most once per listener; a track keeps its place until another takes it; 0 in
            free places.
        counts: float32 (B, N), plays, older ones counting less; at most 1 / (1 - COUNT_DECAY); 0 in free places.
    """

    track_keys: NDArray[np.uint64]
    counts: NDArray[np.float32]

    @classmethod
    def empty(cls, num_listeners: int) -> Self:
        """Return the counts of listeners without plays."""
        shape = num_listeners, NUM_COUNTED
        return cls(np.zeros(shape, np.uint64), np.zeros(shape, np.float32))


def count_plays(
    maps: CountMaps, bounds: NDArray[np.int64], track_keys: NDArray[np.uint64], count_from: NDArray[np.int64]
) -> CountMaps:
    """Count the new plays of B listeners.

    Args:
        maps: the counts of the B listeners before; not modified.
        bounds: int64 (B + 1,), the listeners among P plays.
        track_keys: uint64 (P,), oldest first.
        count_from: int64 (B,), how many leading plays of each listener `maps` already contains.
    """
    return count_plays_at(maps, bounds, track_keys, count_from, np.empty(0, np.int64))[0]


def count_plays_at(
    maps: CountMaps,
    bounds: NDArray[np.int64],
    track_keys: NDArray[np.uint64],
    count_from: NDArray[np.int64],
    anchors: NDArray[np.int64],
) -> tuple[CountMaps, CountMaps]:
    """Count the new plays of B listeners, and copy the counts after some of them.

    The t-th new plays of all listeners are counted at once. Rows are sorted by their number of new plays, so those that
    have a t-th one are always the first `num` rows:

        row   listener   new plays     round 1   round 2   round 3
         0       c       c0 c1 c2        c0        c1        c2
         1       a       a0              a0
         2       b       none
                                 num      2         1         1

    The counts at an anchor are copied after the round that counts its play.

    Args:
        maps: the counts of the B listeners before; not modified.
        bounds: int64 (B + 1,), the listeners among P plays.
        track_keys: uint64 (P,), oldest first.
        count_from: int64 (B,), how many leading plays of each listener `maps` already contains.
        anchors: int64 (A,), indices into the P plays.

    Returns:
        The maps of the B listeners after all plays, and A maps: the counts of each anchor's listener just after it.

    Raises:
        ValueError: an anchor lies before the last play already counted, so its counts are gone.
    """
    begins = bounds[:-1] + count_from
    num_new = bounds[1:] - begins
    order = np.argsort(-num_new, kind="stable")  # most new plays first
    rows = np.argsort(order)  # (B,), the row of each listener
    begins_of_rows, num_new = begins[order], num_new[order]
    keys, counts = maps.track_keys[order], maps.counts[order]  # (B, N), copies

    listeners = np.searchsorted(bounds, anchors, side="right") - 1  # (A,)
    num_before = anchors + 1 - begins[listeners]  # (A,), new plays up to the anchor
    if (num_before < 0).any():
        raise ValueError(
            f"anchor {anchors[num_before < 0][0]} lies before the last play already counted, and its counts are gone; "
            "count from empty maps, with count_from 0"
        )
    by_time = np.argsort(num_before, kind="stable")
    cuts = np.searchsorted(num_before[by_time], np.arange(num_new.max(initial=0) + 2))
    at_anchors = CountMaps.empty(len(anchors))
    for num_done, (first, last) in enumerate(pairwise(cuts)):
        if num_done:
            num = int(np.searchsorted(-num_new, -num_done, side="right"))  # rows with that many new plays
            _count_one(keys[:num], counts[:num], track_keys[begins_of_rows[:num] + num_done - 1])
        due = by_time[first:last]  # the anchors of this round
        rows_due = rows[listeners[due]]
        at_anchors.track_keys[due], at_anchors.counts[due] = keys[rows_due], counts[rows_due]
    return CountMaps(keys[rows], counts[rows]), at_anchors


def _count_one(track_keys: NDArray[np.uint64], counts: NDArray[np.float32], played: NDArray[np.uint64]) -> None:
    """Count one play of each of b listeners, in place.

    Args:
        track_keys: uint64 (b, N).
        counts: float32 (b, N).
        played: uint64 (b,), the track that each listener played.
    """
    counts *= np.float32(COUNT_DECAY)
    is_played = track_keys == played[:, None]  # (b, N)
    places = is_played.argmax(1)  # (b,)
    listeners = np.arange(len(played))
    newcomers = np.flatnonzero(~is_played[listeners, places])
    if len(newcomers):
        places[newcomers] = taken = _smallest(track_keys[newcomers], counts[newcomers])
        track_keys[newcomers, taken], counts[newcomers, taken] = played[newcomers], 0
    counts[listeners, places] += 1


def _smallest(track_keys: NDArray[np.uint64], counts: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the place of the smallest count, among equals that of the smallest key: int64 (b,)."""
    is_smallest = counts == counts.min(1, keepdims=True)  # (b, N)
    places: NDArray[np.int64] = np.where(is_smallest, track_keys, np.iinfo(np.uint64).max).argmin(1)
    return places
