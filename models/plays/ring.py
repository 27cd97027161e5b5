"""The ring as the ranker reads it: each remembered track's recency, count and place beside the current track.

Repeat consumption: a listener often returns to what they just played. Every distinct track of the ring gets one weight
from each of three groups (see `TasteNetwork.ring_terms`):

    recency of its latest play   0 just played
                                 1-4 same session: 1 play ago, 2-3, 4-8, 9 and more
                                 5-8 earlier session: less than 1 day ago, 7 days, 30 days, longer
    plays in the ring            0 one, 1 two, 2 three or four, 3 five and more
    personal bigram              0 neither, 1 came next after an earlier play of the current track, 2 second next

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
_PLACE_BITS: Final = 6  # RING_SIZE places fit
_EMPTY: Final = np.iinfo(np.int64).max >> _PLACE_BITS << _PLACE_BITS


@dataclass(frozen=True, slots=True)
class RingWindows:
    """The rings of A listeners, W places wide (the longest in use); every distinct track once, places in no order.

    Attributes:
        rows: int64 (A, W), catalogue rows; PAD in empty places.
        groups: int16 (A, W), (recency * NUM_COUNTS + count) * NUM_BIGRAMS + bigram; 0 in empty places.
        plays_ago: int64 (A, W), of the latest play of the track, unknown plays included; 0 in empty places.
        heard: int64 (A, W), the catalogue rows of all known plays, the latest first; PAD behind them.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int16]
    plays_ago: NDArray[np.int64]
    heard: NDArray[np.int64]


def latest_known(known: KnownPlays, bounds: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the latest known play at or before each anchor by the same listener.

    Args:
        known: the K known of P plays.
        bounds: int64 (B + 1,), of the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.

    Returns:
        int64 (A,), indices into the K plays; -1 where the listener has none yet.
    """
    latest = np.searchsorted(known.indices, anchors, side="right") - 1
    firsts = known.bounds[np.searchsorted(bounds, anchors, side="right") - 1]
    return np.where(latest >= firsts, latest, -1)


def ring_windows(known: KnownPlays, bounds: NDArray[np.int64], anchors: NDArray[np.int64]) -> RingWindows:
    """Read the ring as it stands after each anchor: the listener's RING_SIZE plays that end with it.

    Args:
        known: the K known of P plays.
        bounds: int64 (B + 1,), of the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.
    """
    latest = np.searchsorted(known.indices, anchors, side="right") - 1  # (A,)
    oldest = np.maximum(bounds[np.searchsorted(bounds, anchors, side="right") - 1], anchors - (RING_SIZE - 1))
    lengths = latest + 1 - np.searchsorted(known.indices, oldest)  # (A,)
    width = max(int(lengths.max(initial=0)), 1)
    places = np.arange(width)  # 0 is the latest play
    filled = places < lengths[:, None]  # (A, W)
    plays = np.maximum(latest[:, None] - places, 0)  # (A, W)
    if not len(known.rows):
        return _empty_windows(len(anchors))
    rows = np.where(filled, known.rows[plays], PAD)

    packed = np.sort(np.where(filled, (rows << _PLACE_BITS) | places, _EMPTY), axis=1)  # plays of one track adjoin
    sorted_rows, sorted_places = packed >> _PLACE_BITS, packed & (RING_SIZE - 1)
    is_latest = np.ones(packed.shape, np.bool_)
    is_latest[:, 1:] = sorted_rows[:, 1:] != sorted_rows[:, :-1]
    is_latest &= packed != _EMPTY
    bigrams = np.where(packed != _EMPTY, np.take_along_axis(_followed(rows), sorted_places, axis=1), 0)
    bigrams = _of_tracks(bigrams, is_latest)
    counts = _counts(sorted_rows)

    latest_plays = np.maximum(latest[:, None] - sorted_places, 0)
    recencies = _recencies(known, latest, latest_plays, sorted_places)
    groups = (recencies * NUM_COUNTS + counts) * NUM_BIGRAMS + bigrams
    return RingWindows(
        rows=np.where(is_latest, sorted_rows, PAD),
        groups=np.where(is_latest, groups, 0).astype(np.int16),
        plays_ago=np.where(is_latest, anchors[:, None] - known.indices[latest_plays], 0),
        heard=rows,
    )


def _empty_windows(num_anchors: int) -> RingWindows:
    rows = np.full((num_anchors, 1), PAD, np.int64)
    return RingWindows(rows, np.zeros(rows.shape, np.int16), np.zeros_like(rows), rows)


def _counts(sorted_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Grade the plays of the track that begins at each place: 0 for 1, 1 for 2, 2 for 3-4, 3 for 5 and more."""
    counts = np.zeros(sorted_rows.shape, np.int64)
    for further in (1, 2, 4):  # a second, a third, a fifth play
        counts[:, :-further] += sorted_rows[:, further:] == sorted_rows[:, :-further]
    return counts


def _followed(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Say of each place whether its play followed an earlier play of the current track: 1 next, 2 second next, else 0.

    Args:
        rows: int64 (A, W), latest play first, PAD where empty.
    """
    current = rows[:, :1]
    followed = np.zeros(rows.shape, np.int64)
    followed[:, :-2] = np.where(rows[:, 2:] == current, 2, 0)
    followed[:, :-1][rows[:, 1:] == current] = 1  # a place can be both: next wins
    return followed


def _of_tracks(bigrams: NDArray[np.int64], is_latest: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Gather what is true of any play of a track at the place where the track begins; next wins over second next."""
    begins = np.maximum.accumulate(np.where(is_latest, np.arange(bigrams.shape[1]), 0), axis=1)
    of_tracks = np.zeros_like(bigrams)
    for kind in (2, 1):  # next is written last
        anchors, places = np.nonzero(bigrams == kind)
        of_tracks[anchors, begins[anchors, places]] = kind
    return of_tracks


def _recencies(
    known: KnownPlays, latest: NDArray[np.int64], plays: NDArray[np.int64], plays_ago: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Grade how long ago each of (A, W) plays was, seen from the listener's latest known play."""
    same_session = known.sessions[plays] == known.sessions[latest][:, None]
    ages_ms = known.played_at_ms[latest][:, None] - known.played_at_ms[plays]
    return np.where(
        same_session,
        _RECENCY_BY_PLAYS_AGO[np.minimum(plays_ago, RING_SIZE - 1)],
        5 + np.searchsorted(_AGE_EDGES_MS, ages_ms, side="right"),
    )
