"""How often each listener played which tracks, beyond what the ring remembers: bounded, decayed counts.

At every play all counts of its listener are multiplied by COUNT_DECAY, then that of the played track grows by 1. A
track without a place takes the place of the smallest count, of the smallest key among equals, and starts from 0; free
places count 0 and have key 0, so they are taken first. Space-Saving (Metwally, Agrawal, El Abbadi 2005) keeps its
places alike, but there a newcomer inherits the count it drives out.

Every play counts, skipped ones and those of tracks that no release knows too, and time alone changes nothing. Counts
know nothing of releases, so new weights leave them as they are.

Law: batching is invisible, here to the last bit. Counts are multiplied in float32 play by play, never by a power of the
decay, so that no split of a history can round otherwise.
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
        track_keys: uint64 (B, N), each once; a track keeps its place until another takes it; 0 in free places.
        counts: float32 (B, N), plays, the older the less; at most 1 / (1 - COUNT_DECAY), and 0 in free places.
    """

    track_keys: NDArray[np.uint64]
    counts: NDArray[np.float32]

    @classmethod
    def empty(cls, num_listeners: int) -> Self:
        """Return the counts of listeners unheard."""
        shape = num_listeners, NUM_COUNTED
        return cls(np.zeros(shape, np.uint64), np.zeros(shape, np.float32))


def count_plays(
    maps: CountMaps, bounds: NDArray[np.int64], track_keys: NDArray[np.uint64], count_from: NDArray[np.int64]
) -> CountMaps:
    """Count the new plays of B listeners.

    Args:
        maps: of the B listeners, before; left as they are.
        bounds: int64 (B + 1,), of the listeners among P plays.
        track_keys: uint64 (P,), of their plays, oldest first.
        count_from: int64 (B,), how many leading plays of each are in `maps` already.
    """
    return count_plays_at(maps, bounds, track_keys, count_from, np.empty(0, np.int64))[0]


def count_plays_at(
    maps: CountMaps,
    bounds: NDArray[np.int64],
    track_keys: NDArray[np.uint64],
    count_from: NDArray[np.int64],
    anchors: NDArray[np.int64],
) -> tuple[CountMaps, CountMaps]:
    """Count the new plays of B listeners, the t-th of all of them at once, and look at the counts after some of them.

    Args:
        maps: of the B listeners, before; left as they are.
        bounds: int64 (B + 1,), of the listeners among P plays.
        track_keys: uint64 (P,), of their plays, oldest first.
        count_from: int64 (B,), how many leading plays of each are in `maps` already.
        anchors: int64 (A,), indices into the P plays.

    Returns:
        The maps of the B listeners after all plays, and A maps: that of the listener of each anchor just after it.

    Raises:
        ValueError: an anchor lies before the last play already counted, and what stood there is gone.
    """
    begins = bounds[:-1] + count_from
    num_new = bounds[1:] - begins
    order = np.argsort(-num_new, kind="stable")  # whoever has a t-th new play stands in front
    rows = np.argsort(order)  # where each listener stands
    begins_of_rows, num_new = begins[order], num_new[order]
    keys, counts = maps.track_keys[order], maps.counts[order]  # copies

    listeners = np.searchsorted(bounds, anchors, side="right") - 1  # (A,)
    num_before = anchors + 1 - begins[listeners]  # (A,), new plays up to the anchor
    if (num_before < 0).any():
        raise ValueError(f"anchor {anchors[num_before < 0][0]} lies before the last play already counted")
    by_time = np.argsort(num_before, kind="stable")
    cuts = np.searchsorted(num_before[by_time], np.arange(num_new.max(initial=0) + 2))
    at_anchors = CountMaps.empty(len(anchors))
    for done, (first, last) in enumerate(pairwise(cuts)):
        if done:
            num = int(np.searchsorted(-num_new, -done, side="right"))  # listeners with as many new plays
            _count_one(keys[:num], counts[:num], track_keys[begins_of_rows[:num] + done - 1])
        answered = by_time[first:last]
        seen = rows[listeners[answered]]
        at_anchors.track_keys[answered], at_anchors.counts[answered] = keys[seen], counts[seen]
    return CountMaps(keys[rows], counts[rows]), at_anchors


def _count_one(track_keys: NDArray[np.uint64], counts: NDArray[np.float32], played: NDArray[np.uint64]) -> None:
    """Count one play of each of b listeners, in place.

    Args:
        track_keys: uint64 (b, N).
        counts: float32 (b, N).
        played: uint64 (b,), the tracks.
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
    """Find the place of the smallest count, of the smallest key among equals: int64 (b,)."""
    is_smallest = counts == counts.min(1, keepdims=True)  # (b, N)
    places: NDArray[np.int64] = np.where(is_smallest, track_keys, np.iinfo(np.uint64).max).argmin(1)
    return places
