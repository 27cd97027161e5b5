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
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, inlined
from models.config import COUNT_DECAY, NUM_COUNTED

_DECAY: Final = np.float32(COUNT_DECAY)


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

    Args:
        maps: the counts of the B listeners before; not modified.
        bounds: int64 (B + 1,), the listeners among P plays.
        track_keys: uint64 (P,), oldest first.
        count_from: int64 (B,), how many leading plays of each listener `maps` already contains.
        anchors: int64 (A,), rising indices into the P plays.

    Returns:
        The maps of the B listeners after all plays, and A maps: the counts of each anchor's listener just after it.

    Raises:
        ValueError: an anchor lies before the last play already counted, so its counts are gone.
    """
    begins = bounds[:-1] + count_from
    listeners = np.searchsorted(bounds, anchors, side="right") - 1  # (A,)
    is_lost = anchors + 1 < begins[listeners]
    if is_lost.any():
        raise ValueError(
            f"anchor {anchors[is_lost][0]} lies before the last play already counted, and its counts are gone; "
            "count from empty maps, with count_from 0"
        )
    after = CountMaps(np.array(maps.track_keys, order="C"), np.array(maps.counts, order="C"))  # copies
    shape = len(anchors), NUM_COUNTED
    at_anchors = CountMaps(np.empty(shape, np.uint64), np.empty(shape, np.float32))
    plays = begins, bounds[1:], np.ascontiguousarray(track_keys)
    _count_all(plays, anchors, (after.track_keys, after.counts), (at_anchors.track_keys, at_anchors.counts))
    return after, at_anchors


@compiled
def _count_all(
    plays: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]],
    anchors: NDArray[np.int64],
    maps: tuple[NDArray[np.uint64], NDArray[np.float32]],
    at_anchors: tuple[NDArray[np.uint64], NDArray[np.float32]],
) -> None:
    """Count in place, play by play, and fill in the counts at the anchors.

    Args:
        plays: where the new plays of each listener begin and end, and the track keys of all plays.
        anchors: rising; none lies before a listener's first new play but one, the last play already counted.
        maps: track keys and counts of the listeners.
        at_anchors: track keys and counts, to be filled.
    """
    begins, ends, track_keys = plays
    anchor = 0
    for listener in range(len(begins)):
        keys, counts = maps[0][listener], maps[1][listener]
        for play in range(begins[listener] - 1, ends[listener]):
            if play >= begins[listener]:
                _count_play(keys, counts, track_keys[play])
            while anchor < len(anchors) and anchors[anchor] == play:
                at_anchors[0][anchor], at_anchors[1][anchor] = keys, counts
                anchor += 1


@inlined
def _count_play(keys: NDArray[np.uint64], counts: NDArray[np.float32], played: np.uint64) -> None:
    """Count one play of a listener: keys uint64 (N,) and counts float32 (N,)."""
    place = -1
    for other in range(len(keys)):
        counts[other] *= _DECAY
        if keys[other] == played:
            place = other
    if place < 0:
        place = 0
        for other in range(1, len(keys)):  # the smallest count, among equals the smallest key
            if counts[other] < counts[place] or (counts[other] == counts[place] and keys[other] < keys[place]):
                place = other
        keys[place], counts[place] = played, 0
    counts[place] += np.float32(1)
