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

from models.compiled import compiled, inlined
from models.config import RING_SIZE
from models.plays.catalogue import PAD
from models.plays.features import DAY_MS, KnownPlays

NUM_RECENCIES: Final = 9
NUM_COUNTS: Final = 4
NUM_BIGRAMS: Final = 3


@dataclass(frozen=True, slots=True)
class RingWindows:
    """The rings at A anchors, W places wide (as many as the longest one uses); each distinct track once, latest first.

    Attributes:
        rows: int64 (A, W), catalogue rows, then PAD.
        groups: int16 (A, W), (recency * NUM_COUNTS + count) * NUM_BIGRAMS + bigram; 0 in empty places.
        plays_ago: int64 (A, W), of the track's latest play, counting unknown plays too; 0 in empty places.
        heard: int64 (A, W), catalogue rows of all known plays, latest first, then PAD.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int16]
    plays_ago: NDArray[np.int64]
    heard: NDArray[np.int64]

    def part(self, anchors: slice) -> RingWindows:
        """Return the rings of some anchors."""
        return RingWindows(self.rows[anchors], self.groups[anchors], self.plays_ago[anchors], self.heard[anchors])


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
        heard, latest first    9  7  5  9  5           W = 5

        rows                   9  7  5
        recency                0  1  2                 just played, 1 play ago, 2
        count                  1  0  1                 two plays, one, two
        bigram                 0  2  1                 7 came two plays after a 9, 5 followed a 9
        plays_ago              0  1  3                 counts x too

    Args:
        known: the K known plays among P.
        bounds: int64 (B + 1,), the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.
    """
    firsts, ends = plays_in_rings(known.indices, bounds, anchors)
    plays = known.indices, known.rows, known.played_at_ms, known.sessions
    return RingWindows(*_windows(plays, firsts, ends, anchors))


@compiled
def plays_in_rings(
    indices: NDArray[np.int64], bounds: NDArray[np.int64], anchors: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the known plays in the ring after each anchor: firsts and ends, int64 (A,), into the known plays.

    Args:
        indices: int64 (K,), rising, of the known plays among P.
        bounds: int64 (B + 1,), the listeners among the P plays.
        anchors: int64 (A,), indices into the P plays.
    """
    begins = bounds[np.searchsorted(bounds, anchors, side="right") - 1]
    oldest = np.maximum(begins, anchors - (RING_SIZE - 1))  # known or not
    return np.searchsorted(indices, oldest), np.searchsorted(indices, anchors, side="right")


@compiled
def _windows(
    plays: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    firsts: NDArray[np.int64],
    ends: NDArray[np.int64],
    anchors: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns of `RingWindows`; `plays` are indices, rows, times and sessions of the known plays."""
    indices, all_rows, played_at_ms, sessions = plays
    width = 1
    for anchor in range(len(anchors)):
        width = max(width, ends[anchor] - firsts[anchor])
    shape = len(anchors), width
    rows, heard, plays_ago = np.full(shape, PAD), np.full(shape, PAD), np.zeros(shape, np.int64)
    groups = np.zeros(shape, np.int16)
    recencies, nums, bigrams = np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.int64)
    for anchor in range(len(anchors)):
        first, latest = firsts[anchor], ends[anchor] - 1
        num_tracks = 0
        for ago in range(latest - first + 1):
            play = latest - ago
            heard[anchor, ago] = row = all_rows[play]
            place = _place(rows[anchor], num_tracks, row)
            if place == num_tracks:  # the latest play of its track
                rows[anchor, place], nums[place], bigrams[place] = row, 0, 0
                plays_ago[anchor, place] = anchors[anchor] - indices[play]
                age_ms = played_at_ms[latest] - played_at_ms[play]
                recencies[place] = _recency(ago, age_ms, sessions[play] == sessions[latest])
                num_tracks += 1
            nums[place] += 1
            if play > first and all_rows[play - 1] == all_rows[latest]:
                bigrams[place] = 1  # a track can be both: next wins
            elif play > first + 1 and all_rows[play - 2] == all_rows[latest] and bigrams[place] == 0:
                bigrams[place] = 2
        for place in range(num_tracks):
            groups[anchor, place] = (recencies[place] * NUM_COUNTS + _grade(nums[place])) * NUM_BIGRAMS + bigrams[place]
    return rows, groups, plays_ago, heard


@inlined
def _place(rows: NDArray[np.int64], num_tracks: int, row: int) -> int:
    """Find a row among the first `num_tracks`; `num_tracks` if it is not there."""
    place = 0
    while place < num_tracks and rows[place] != row:
        place += 1
    return place


@inlined
def _recency(plays_ago: int, age_ms: int, same_session: bool) -> int:  # noqa: FBT001  kernels take no keywords
    """Grade how long before the listener's latest known play a play was."""
    if same_session:
        return 0 if plays_ago == 0 else 1 if plays_ago == 1 else 2 if plays_ago <= 3 else 3 if plays_ago <= 8 else 4
    return 5 if age_ms < DAY_MS else 6 if age_ms < 7 * DAY_MS else 7 if age_ms < 30 * DAY_MS else 8


@inlined
def _grade(num_plays: int) -> int:
    """Grade a number of plays."""
    return 0 if num_plays == 1 else 1 if num_plays == 2 else 2 if num_plays <= 4 else 3
