"""Recorded plays: any Parquet or CSV file with columns for user, track and time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.plays.split import Plays
from streamer.recordings.columns import COLUMN_NAMES, ColumnChoice
from streamer.recordings.table import RecordingError, find_column, numbered, read_table, without_nulls

_FILE_IN_FOLDER: Final = "events.parquet"
_FIRST_MS: Final = 100_000_000_000  # year 5138 in seconds, 1973 in milliseconds: the two units cannot be confused
_FIRST_US: Final = 1000 * _FIRST_MS
_MILLISECONDS: Final = pa.timestamp("ms", "UTC")


@dataclass(frozen=True, slots=True)
class RecordedPlays:
    """P plays, in the order of the file.

    Attributes:
        plays: their columns; `plays.listeners` are indices into `user_ids`.
        user_ids: the listeners' ids, sorted: numbers as numbers.
    """

    plays: Plays
    user_ids: Sequence[str]

    def earliest(self, num_plays: int) -> "RecordedPlays":
        """Keep the earliest plays, in the order of the file."""
        plays = self.plays
        kept = np.sort(np.argsort(plays.played_at_ms, kind="stable")[:num_plays])
        fewer = replace(
            plays,
            listeners=plays.listeners[kept],
            tracks=plays.tracks[kept],
            played_at_ms=plays.played_at_ms[kept],
            sessions=None if plays.sessions is None else plays.sessions[kept],
        )
        return RecordedPlays(fewer, self.user_ids)


def read_plays(path: Path, columns: ColumnChoice | None = None) -> RecordedPlays:
    """Read plays.

    Args:
        path: a Parquet file, a CSV file with a header (`.csv`, `.tsv`, either one also as `.gz`), or a folder with
            `events.parquet`.
        columns: their names.

    Raises:
        RecordingError: the file or a column is missing, or a column has the wrong content.
    """
    columns = columns or ColumnChoice()
    table = read_table(path / _FILE_IN_FOLDER if path.is_dir() else path)
    users, user_ids = numbered(table, _column(table, "user", columns.user))
    tracks, track_ids = numbered(table, _column(table, "track", columns.track))
    time = _column(table, "time", columns.time)
    session = _optional_column(table, "session", columns.session)
    plays = Plays(
        listeners=users,
        tracks=tracks,
        track_ids=track_ids,
        played_at_ms=_milliseconds(time, without_nulls(table, time)),
        sessions=None if session is None else numbered(table, session)[0],
    )
    return RecordedPlays(plays, user_ids)


def _column(table: pa.Table, role: str, name: str | None) -> str:
    if name is None:
        return find_column(table, role, COLUMN_NAMES[role])
    if name not in table.column_names:
        raise RecordingError(f"there is no column {name}; the columns are {', '.join(table.column_names)}")
    return name


def _optional_column(table: pa.Table, role: str, name: str | None) -> str | None:
    if name is None and not {column.lower() for column in table.column_names} & set(COLUMN_NAMES[role]):
        return None
    return _column(table, role, name)


def _milliseconds(name: str, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Read times as ms since the epoch: timestamps (UTC unless they have a zone), ISO 8601, seconds or ms."""
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(_MILLISECONDS)
        if pa.types.is_timestamp(column.type):
            played_at_ms: NDArray[np.int64] = column.cast(_MILLISECONDS, safe=False).cast(pa.int64()).to_numpy()
            return played_at_ms
        times: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as exc:
        raise RecordingError(f"column {name} contains no times ({exc}); name another with --time") from exc
    if not (np.isfinite(times).all() and times.min() > 0 and times.max() < _FIRST_US):
        raise RecordingError(
            f"column {name} runs from {times.min():g} to {times.max():g}: neither seconds nor milliseconds since the "
            "epoch; convert it, or name another with --time"
        )
    return np.rint(times if times.max() >= _FIRST_MS else times * 1000).astype(np.int64)
