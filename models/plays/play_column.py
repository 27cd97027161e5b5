"""A column of plays: what counting needs of any number of plays, in 4 bytes each.

    listener       1              2
    session        1     | 2      3
    track          7  3  | 9   3  8  8
    code          S7  3   s9   3 S8  8       s: starts a session; S: starts a listener's plays too

Tracks are numbered by their catalogue row less FIRST_TRACK, 0..M-1.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.plays.catalogue import FIRST_TRACK
from models.plays.features import KnownPlays

TRACK: Final = (1 << 30) - 1
"""The bits of a code that hold the track."""

STARTS_SESSION: Final = 1 << 30
STARTS_LISTENER: Final = 1 << 31

MAX_SESSION_TRACKS: Final = 1024
"""Distinct tracks after which a session is cut in two; a bot's session of months would pair all its tracks."""

Occurrences: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]
"""A column (P,), the places of T tracks in it (N,), each track's together and rising, and their bounds (T + 1,)."""


def encode(known: KnownPlays) -> NDArray[np.uint32]:
    """Encode known plays: uint32 (K,)."""
    codes = (known.rows - FIRST_TRACK).astype(np.uint32)
    codes[known.starts] |= np.uint32(STARTS_SESSION)
    firsts = known.bounds[:-1][np.diff(known.bounds) > 0]
    codes[firsts] |= np.uint32(STARTS_LISTENER)
    return codes


@compiled
def distinct_in_sessions(codes: NDArray[np.uint32], latest: NDArray[np.int64], num_sessions: int) -> NDArray[np.uint32]:
    """Keep the first play of each track in each session, and cut long sessions: uint32 (D,).

    Args:
        codes: uint32 (P,), of whole sessions.
        latest: int64 (M,), the latest session that each track was found in, 1 and above; updated.
        num_sessions: an upper bound on the numbers in it.
    """
    distinct, num, session, size = np.empty_like(codes), 0, num_sessions, 0
    for code in codes:
        starts = code >= STARTS_SESSION
        if starts or size == MAX_SESSION_TRACKS:
            session, size, starts = session + 1, 0, True
        track = code & TRACK
        if latest[track] == session:
            continue
        latest[track] = session
        distinct[num] = track + STARTS_SESSION if size == 0 else track
        num, size = num + 1, size + 1
    return distinct[:num].copy()


@compiled
def occurrences_of(codes: NDArray[np.uint32], begin: int, bounds: NDArray[np.int64]) -> Occurrences:
    """Find the plays of consecutive tracks in one look through a column.

    Args:
        codes: uint32 (P,).
        begin: the first of T tracks.
        bounds: int64 (T + 1,), where the plays of each track begin and end among theirs.
    """
    ends, plays = bounds[:-1].copy(), np.empty(bounds[-1], np.int64)
    num_tracks = len(ends)
    for play in range(len(codes)):
        number = np.int64(codes[play] & TRACK) - begin
        if 0 <= number < num_tracks:
            plays[ends[number]] = play
            ends[number] += 1
    return codes, plays, bounds
