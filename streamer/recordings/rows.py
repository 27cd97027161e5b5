"""Rows of files, judged as plays: what the topic refuses, a file refuses too, row by row.

One function decides for both on times (`wire.plays.are_possible`) and one on ids (`wire.plays.check_id`), and the
causes are those of dead letters.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.wire.messages import Cause
from streamer.wire.plays import Clock, are_possible, check_id, check_played_at

#: What a row is left out for that never was a message.
BROKEN_ROW: Final = "broken-row"
REPEATED: Final = "repeated-in-another-file"

_BROKEN: Final = "it cannot be parsed"
_NO_TIME: Final = "it has no time"
_NOT_A_TIME: Final = "neither a number nor a date that is understood: write it like 2020-09-13T12:29:57Z"

#: Characters of what should be a time, in a message.
MAX_SHOWN: Final = 40


class Ids:
    """Numbers ids in the order in which they come, and judges each once.

    Args:
        name: of the field, as the topic's messages call it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._codes: dict[str, int] = {}
        self._faults: list[str | None] = []

    @property
    def ids(self) -> list[str]:
        """All ids, by number; some are none."""
        return list(self._codes)

    def number(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the number of each id of a column, int64 (rows,), and whether the topic accepts it, bool (rows,)."""
        encoded = column.dictionary_encode()
        codes = [self._code(each) for each in encoded.dictionary.to_pylist()]
        rows = encoded.indices.to_numpy()
        are_ids = np.array([self._faults[code] is None for code in codes], np.bool_)
        return np.array(codes, np.int64)[rows], are_ids[rows]

    def fault(self, number: int) -> str:
        """Say why the topic refuses an id."""
        return self._faults[number] or ""

    def _code(self, each: str) -> int:
        code = self._codes.setdefault(each, len(self._codes))
        if code == len(self._faults):
            self._faults.append(check_id(each.encode(), self._name))
        return code


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a row is no play, and where the first such row is."""

    cause: str
    reason: str
    place: str


@dataclass(slots=True)
class Tally:
    """Counts the rows of a recording, and those that are left out.

    Attributes:
        num_rows: of all files.
        num_left_out: by cause.
        first: of each cause.
    """

    num_rows: int = 0
    num_left_out: Counter[str] = field(default_factory=Counter)
    first: dict[str, LeftOut] = field(default_factory=dict)

    def leave_out(self, cause: str, num: int, reason: str, place: str) -> None:
        """Count rows that are left out for the same cause; the reason is of the first."""
        self.num_left_out[cause] += num
        self.first.setdefault(cause, LeftOut(cause, reason, place))

    def add(self, other: "Tally") -> None:
        """Count the rows of another file too."""
        self.num_rows += other.num_rows
        self.num_left_out += other.num_left_out
        self.first = {**other.first, **self.first}

    @property
    def share_left_out(self) -> float:
        """The share of rows that are no plays."""
        return sum(self.num_left_out.values()) / max(1, self.num_rows)


@dataclass(frozen=True, slots=True)
class Rows:
    """N rows that are plays, in the order of their file.

    Attributes:
        users: int64 (N,), numbers of `Ids`.
        tracks: int64 (N,), numbers of `Ids`.
        played_at_ms: int64 (N,).
        sessions: int64 (N,), numbers of `Ids`; None: the file has none.
        file: int64 (N,), number of the file.
    """

    users: NDArray[np.int64]
    tracks: NDArray[np.int64]
    played_at_ms: NDArray[np.int64]
    sessions: NDArray[np.int64] | None
    file: NDArray[np.int64]

    def __len__(self) -> int:
        """Return N."""
        return len(self.users)


class Judge:
    """Turns batches of rows into plays.

    Args:
        now_ms: no play is later, but for what the topic tolerates; ms since the epoch.
    """

    def __init__(self, now_ms: int) -> None:
        self.users, self.tracks, self.sessions = Ids("user_id"), Ids("track_id"), Ids("session")
        self._now_ms = now_ms

    def judge(self, batch: pa.RecordBatch, file: int, name: str, tally: Tally) -> Rows:
        """Return the rows of a batch that are plays, and count the others.

        Args:
            batch: text `user_id`, `track_id`, perhaps `session`; int64 `ms`, null where it is no time, which
                text `no_time` then holds, of a little more than `MAX_SHOWN` characters at most; bool `has_time`
                and `is_whole`, whether the row could be parsed.
            file: its number.
            name: its name.
            tally: counts the rows of the file, in order.
        """
        users, are_users = self.users.number(batch["user_id"])
        tracks, are_tracks = self.tracks.number(batch["track_id"])
        played_at_ms: NDArray[np.int64] = batch["ms"].fill_null(0).to_numpy()
        criteria: Sequence[tuple[str, NDArray[np.bool_], Callable[[int], str | None]]] = (
            (BROKEN_ROW, _flags(batch["is_whole"]), lambda _: _BROKEN),
            (Cause.INVALID_USER_ID, are_users, lambda row: self.users.fault(users[row])),
            (Cause.INVALID_TRACK_ID, are_tracks, lambda row: self.tracks.fault(tracks[row])),
            (Cause.MISSING_FIELD, _flags(batch["has_time"]), lambda _: _NO_TIME),
            (Cause.WRONG_TYPE, _flags(batch["ms"].is_valid()), lambda row: _not_a_time(batch["no_time"][row].as_py())),
            (Cause.IMPOSSIBLE_TIME, are_possible(played_at_ms, self._now_ms, Clock.OURS),
             lambda row: check_played_at(int(played_at_ms[row]), self._now_ms, Clock.OURS)),
        )  # fmt: skip
        is_play = np.ones(len(users), np.bool_)
        for cause, is_right, explain in criteria:
            wrong = np.flatnonzero(is_play & ~is_right)
            is_play &= is_right
            if len(wrong):
                place = f"row {tally.num_rows + int(wrong[0]) + 1} of {name}"
                tally.leave_out(cause, len(wrong), explain(int(wrong[0])) or "", place)
        tally.num_rows += len(users)
        return self._rows(batch, file, np.flatnonzero(is_play), (users, tracks, played_at_ms))

    def _rows(
        self, batch: pa.RecordBatch, file: int, kept: NDArray[np.int64], columns: Sequence[NDArray[np.int64]]
    ) -> Rows:
        users, tracks, played_at_ms = columns
        sessions = self.sessions.number(batch["session"])[0][kept] if "session" in batch.schema.names else None
        return Rows(users[kept], tracks[kept], played_at_ms[kept], sessions, np.full(len(kept), file, np.int64))


def _flags(column: pa.Array) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return flags


def _not_a_time(text: str) -> str:
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return f"its time {shown!r} is {_NOT_A_TIME}"
