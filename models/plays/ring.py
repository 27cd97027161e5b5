"""The ring as the ranker reads it: how recently, how often, and after what each remembered track was played.

Repeat consumption: listeners often return to what they just played. Every distinct track of the ring gets one weight
from each of three groups (see `TasteNetwork.ring_terms`):

    recency of its latest play   0 just played
                                 1-4 same session: 1 play ago, 2-3, 4-8, 9 or more
                                 5-8 earlier session: less than 1 day ago, 7 days, 30 days, longer
    plays in the ring            0 one, 1 two, 2 three or four, 3 five or more
    personal bigram              1 it once came next after the current track, 2 second next, 0 neither

"Plays ago" and "next" count known plays only. The current track is the latest known one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import RING_SIZE
from models.plays.catalogue import PAD
from models.plays.features import DAY_MS, KnownPlays

NUM_RECENCIES: Final = 9
NUM_COUNTS: Final = 4
NUM_BIGRAMS: Final = 3

_RECENCY_BY_PLAYS_AGO: Final = np.array([0, 1, 2, 2, 3, 3, 3, 3, 3] + [4] * (RING_SIZE - 9))
_AGE_EDGES_MS: Final = np.array([1, 7, 30]) * DAY_MS
_PLACE_BITS: Final = 6  # enough for RING_SIZE places
_NO_ROW: Final = np.iinfo(np.int64).max >> _PLACE_BITS  # of an empty place: sorts behind every track


@dataclass(frozen=True, slots=True)
class RingWindows:
    """The rings at A anchors, W places wide (as many as the longest one uses); each distinct track once, in any place.

    Attributes:
        rows: int64 (A, W), catalogue rows; PAD in empty places.
        groups: int16 (A, W), (recency * NUM_COUNTS + count) * NUM_BIGRAMS + bigram; 0 in empty places.
        plays_ago: int64 (A, W), of the track's latest play, counting unknown plays too; 0 in empty places.
        heard: int64 (A, W), catalogue rows of all known plays, latest first, then PAD.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int16]
    plays_ago: NDArray[np.int64]
    heard: NDArray[np.int64]


def latest_known(known: KnownPlays, bounds: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the latest known play at or before each anchor by the same listener.

    Args:
        known: the K known plays among P.
        bounds: int64 (B + 1,), the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.

    Returns:
        int64 (A,), indices into the K plays; -1 where the listener has none yet.
    """
    latest = np.searchsorted(known.indices, anchors, side="right") - 1
    firsts = known.bounds[np.searchsorted(bounds, anchors, side="right") - 1]
    return np.where(latest >= firsts, latest, -1)


def ring_windows(known: KnownPlays, bounds: NDArray[np.int64], anchors: NDArray[np.int64]) -> RingWindows:
    """Read the ring as it is after each anchor: the listener's last RING_SIZE plays, the anchor included.

    One anchor, in one session. Tracks are named by their catalogue rows, x is an unknown one:

        plays, oldest first    5  9  5  x  7  9        the anchor is the last 9, which is the current track
        heard, latest first    9  7  5  9  5           W = 5; the place of each: 0 1 2 3 4

    Sorting by row, then by place, puts the plays of each track side by side, its latest play first:

        rows                   5  5  7  9  9
        places                 2  4  1  0  3
        is_latest              *     *  *

    and what holds for a track is written where is_latest:

        recency                2     1  0              2 plays ago, 1, just played
        count                  1     0  1              two plays, one, two
        bigram                 1     2  0              5 followed a 9, 7 came two plays after a 9
        plays_ago              3     1  0              counts x too

    Args:
        known: the K known plays among P.
        bounds: int64 (B + 1,), the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.
    """
    if not len(known.rows):
        return _empty_windows(len(anchors))
    latest = np.searchsorted(known.indices, anchors, side="right") - 1  # (A,)
    heard = _heard(known, latest, bounds, anchors)  # (A, W)
    rows, places, is_latest = _by_track(heard)  # (A, W) each
    bigrams = np.where(rows == _NO_ROW, 0, np.take_along_axis(_bigrams(heard), places, axis=1))  # (A, W)
    plays = np.maximum(latest[:, None] - places, 0)  # (A, W), indices into the K plays
    recencies = _recencies(known, latest, plays, places)
    groups = (recencies * NUM_COUNTS + _counts(rows)) * NUM_BIGRAMS + _of_tracks(bigrams, is_latest)
    return RingWindows(
        rows=np.where(is_latest, rows, PAD),
        groups=np.where(is_latest, groups, 0).astype(np.int16),
        plays_ago=np.where(is_latest, anchors[:, None] - known.indices[plays], 0),
        heard=heard,
    )


def _heard(
    known: KnownPlays, latest: NDArray[np.int64], bounds: NDArray[np.int64], anchors: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the rows of the known plays in the ring after each anchor, latest first, then PAD: int64 (A, W)."""
    firsts = bounds[np.searchsorted(bounds, anchors, side="right") - 1]  # (A,), of the listeners
    oldest = np.maximum(firsts, anchors - (RING_SIZE - 1))  # (A,), known or not
    lengths = latest + 1 - np.searchsorted(known.indices, oldest)  # (A,)
    places = np.arange(max(int(lengths.max(initial=0)), 1))  # (W,)
    plays = np.maximum(latest[:, None] - places, 0)  # (A, W)
    return np.where(places < lengths[:, None], known.rows[plays], PAD)


def _by_track(heard: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Sort the places of each ring by row, then by place; empty places come last, with row _NO_ROW and place 0.

    Args:
        heard: int64 (A, W), rows, latest play first, then PAD.

    Returns:
        Rows, places, and whether the play is the latest one of its track: (A, W) each.
    """
    packed = np.where(heard == PAD, _NO_ROW << _PLACE_BITS, (heard << _PLACE_BITS) | np.arange(heard.shape[1]))
    packed = np.sort(packed, axis=1)  # (A, W)
    rows, places = packed >> _PLACE_BITS, packed & (RING_SIZE - 1)
    is_latest = rows != _NO_ROW
    is_latest[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    return rows, places, is_latest


def _empty_windows(num_anchors: int) -> RingWindows:
    rows = np.full((num_anchors, 1), PAD, np.int64)
    return RingWindows(rows, np.zeros(rows.shape, np.int16), np.zeros_like(rows), rows)


def _counts(sorted_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Grade the number of plays from each place on of the track there: 0 for 1, 1 for 2, 2 for 3-4, 3 for 5 or more.

    A track has at least n + 1 plays from a place on if the row n places further is the same:

        sorted_rows   5  5  5  7        1 further: same, same, no     2 further: same, no     counts   2  1  0  0
    """
    counts = np.zeros(sorted_rows.shape, np.int64)
    for further in (1, 2, 4):  # a second, a third, a fifth play
        counts[:, :-further] += sorted_rows[:, further:] == sorted_rows[:, :-further]
    return counts


def _bigrams(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Mark the plays that followed an earlier play of the current track: 1 next, 2 second next, else 0: int64 (A, W).

        rows, latest first   9  7  5  9  5        the current track is 9
        bigrams              0  2  1  0  0        the 5 has a 9 just behind it, the 7 one place further

    Args:
        rows: int64 (A, W), latest play first, then PAD.
    """
    current = rows[:, :1]  # (A, 1)
    bigrams = np.zeros(rows.shape, np.int64)
    bigrams[:, :-2] = np.where(rows[:, 2:] == current, 2, 0)
    bigrams[:, :-1][rows[:, 1:] == current] = 1  # a place can be both: next wins
    return bigrams


def _of_tracks(bigrams: NDArray[np.int64], is_latest: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Move the bigrams of all plays of a track to its first place, where is_latest; next wins over second next."""
    firsts = np.maximum.accumulate(np.where(is_latest, np.arange(bigrams.shape[1]), 0), axis=1)  # (A, W)
    of_tracks = np.zeros_like(bigrams)
    for bigram in (2, 1):  # next is written last
        anchors, places = np.nonzero(bigrams == bigram)
        of_tracks[anchors, firsts[anchors, places]] = bigram
    return of_tracks


def _recencies(
    known: KnownPlays, latest: NDArray[np.int64], plays: NDArray[np.int64], plays_ago: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Grade how long before the listener's latest known play each of (A, W) plays was."""
    same_session = known.sessions[plays] == known.sessions[latest][:, None]
    ages_ms = known.played_at_ms[latest][:, None] - known.played_at_ms[plays]
    return np.where(
        same_session,
        _RECENCY_BY_PLAYS_AGO[np.minimum(plays_ago, RING_SIZE - 1)],
        5 + np.searchsorted(_AGE_EDGES_MS, ages_ms, side="right"),
    )
