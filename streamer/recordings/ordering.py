"""The order of plays that a file gives the same time, and the numbers of ids."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.recordings.rows import Rows

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")


def joined(parts: Sequence[Rows]) -> Rows:
    """Join rows, one part after the other; they have sessions if all parts have."""
    sessions = [part.sessions for part in parts if part.sessions is not None]
    return Rows(
        users=np.concatenate([part.users for part in parts]),
        tracks=np.concatenate([part.tracks for part in parts]),
        played_at_ms=np.concatenate([part.played_at_ms for part in parts]),
        sessions=np.concatenate(sessions) if len(sessions) == len(parts) else None,
        file=np.concatenate([part.file for part in parts]),
    )


def in_listening_order(rows: Rows) -> Rows:
    """Turn round plays at the same time where a file lists a listener's plays newest first.

    Exports that are cut to minutes have many of those. All other rows stay where they are.
    """
    position = np.arange(len(rows))
    order = np.lexsort((rows.file, rows.users))  # stable: (N,)
    users, file, at_ms = rows.users[order], rows.file[order], rows.played_at_ms[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (users[1:] != users[:-1]) | (file[1:] != file[:-1])
    block = np.cumsum(is_first) - 1  # (N,): the listener's part of a file
    steps = np.where(is_first, 0, np.sign(np.diff(at_ms, prepend=at_ms[:1])))  # (N,)
    falls = np.bincount(block, weights=steps) < 0  # (blocks,)
    if not falls.any():
        return rows
    is_turned = np.empty(len(order), np.bool_)
    is_turned[order] = falls[block]
    same_time = (rows.played_at_ms, rows.file, rows.users)
    index = np.empty_like(position)
    index[np.lexsort((position, *same_time))] = np.lexsort((np.where(is_turned, -position, position), *same_time))
    return _take(rows, index)


def without_repeats(rows: Rows) -> Rows:
    """Leave out plays that an earlier file has too, to the millisecond: exports of overlapping spans repeat them.

    Within a file, plays of the same track at the same time stay.
    """
    if not len(rows.file) or rows.file.min() == rows.file.max():
        return rows
    order = np.lexsort((rows.file, rows.played_at_ms, rows.tracks, rows.users))
    keys = np.stack([rows.users[order], rows.tracks[order], rows.played_at_ms[order]])  # (3, N)
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (keys[:, 1:] != keys[:, :-1]).any(0)
    first_file = rows.file[order][np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]
    return _take(rows, np.sort(order[rows.file[order] == first_file]))


def ranked(numbers: NDArray[np.int64], ids: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the ids that occur by rank: int64 (N,), and the id of each number; numbers rank as numbers."""
    used = np.flatnonzero(np.bincount(numbers, minlength=len(ids)))
    names = [ids[number] for number in used.tolist()]
    are_numbers = all(map(_WHOLE.fullmatch, names))
    order = sorted(range(len(names)), key=lambda at: (int(names[at]) if are_numbers else 0, names[at]))
    rank = np.empty(len(ids), np.int64)
    rank[used[order]] = np.arange(len(order))
    return rank[numbers], tuple(names[at] for at in order)


def _take(rows: Rows, index: NDArray[np.int64]) -> Rows:
    sessions = None if rows.sessions is None else rows.sessions[index]
    return Rows(rows.users[index], rows.tracks[index], rows.played_at_ms[index], sessions, rows.file[index])
