"""Recorded listening: any Parquet or CSV file with a column of users, one of tracks and one of times."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from models.split import Plays
from streamer.errors import RefrainError

#: How the columns are called where nobody says it, the likeliest first; capitals do not matter.
COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id", "userid", "listener", "listener_id"),
    "track": ("track", "track_id", "trackid", "item", "item_id", "itemid", "song", "song_id"),
    "time": ("played_at", "ts", "timestamp", "time", "datetime"),
    "session": ("session", "session_id", "sessionid"),
}

#: The same, in files of playlists.
PLAYLIST_COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "playlist": ("playlist", "playlist_id", "playlistid", "pid"),
    "position": ("position", "pos"),
    "track": COLUMN_NAMES["track"],
}

_FILE_IN_FOLDER: Final = "events.parquet"
_FIRST_MS: Final = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973: no play can be taken for the other
_FIRST_US: Final = 1000 * _FIRST_MS
_MILLISECONDS: Final = pa.timestamp("ms", "UTC")


class ListeningError(RefrainError):
    """Raised when a file of plays cannot be read, or a column of it cannot be what it should be."""


@dataclass(frozen=True, slots=True)
class Listening:
    """P plays, in the order of the file.

    Attributes:
        plays: their columns; `plays.listeners` are indices into `user_ids`.
        user_ids: names of the listeners, sorted: numbers as numbers.
    """

    plays: Plays
    user_ids: Sequence[str]

    def earliest(self, num_plays: int) -> "Listening":
        """Keep the first plays in time, in the order of the file."""
        plays = self.plays
        kept = np.sort(np.argsort(plays.played_at_ms, kind="stable")[:num_plays])
        fewer = replace(
            plays,
            listeners=plays.listeners[kept],
            tracks=plays.tracks[kept],
            played_at_ms=plays.played_at_ms[kept],
            sessions=None if plays.sessions is None else plays.sessions[kept],
        )
        return Listening(fewer, self.user_ids)


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What the columns of a file are called; absent: one of `COLUMN_NAMES`."""

    user: str | None = None
    track: str | None = None
    time: str | None = None
    session: str | None = None


def read_listening(path: Path, columns: ColumnChoice | None = None) -> Listening:
    """Read plays.

    Args:
        path: a Parquet file, a CSV file with a header (`.csv`, `.tsv`, either packed as `.gz`), or a folder that holds
            `events.parquet`.
        columns: their names.

    Raises:
        ListeningError: there is no such file or column, or a column holds what it should not.
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
    return Listening(plays, user_ids)


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Let a command that has recorded plays as `data` choose among them, and name their columns."""
    parser.add_argument("--limit", type=num, help="only so many plays, the first in time")
    for role, names in COLUMN_NAMES.items():
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"column of the {role} (default: {', '.join(names)})")


def read_chosen(arguments: argparse.Namespace) -> Listening:
    """Read the plays that a command's arguments choose.

    Raises:
        ListeningError: there are none, or they cannot be read.
    """
    columns = ColumnChoice(**{role: getattr(arguments, role) for role in COLUMN_NAMES})
    listening = read_listening(arguments.data, columns)
    return listening.earliest(arguments.limit) if arguments.limit else listening


def num(text: str) -> int:
    """Read an argument that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def read_table(path: Path) -> pa.Table:
    """Read a file of plays, whatever it is packed in.

    Raises:
        ListeningError: it cannot be read, or is empty.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    try:
        if suffixes[-1:] in ([".csv"], [".tsv"]):
            delimiter = "\t" if suffixes[-1] == ".tsv" else ","
            table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter))
        else:
            table = pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise ListeningError(f"{path} cannot be read as plays ({exc}); name a Parquet or CSV file") from exc
    if not table.num_rows:
        raise ListeningError(f"{path} holds no plays; name another file")
    return table


def find_column(table: pa.Table, role: str, names: Sequence[str]) -> str:
    """Find the column that holds what `role` says, under the first of the names that is there.

    Raises:
        ListeningError: none is.
    """
    present: dict[str, str] = {column.lower(): column for column in reversed(table.column_names)}
    found = next((present[name] for name in names if name in present), None)
    if found is None:
        raise ListeningError(
            f"no column holds the {role}: looked for {', '.join(names)}, found {', '.join(table.column_names)}; "
            "rename one, or say what it is called"
        )
    return found


def _column(table: pa.Table, role: str, name: str | None) -> str:
    if name is None:
        return find_column(table, role, COLUMN_NAMES[role])
    if name not in table.column_names:
        raise ListeningError(f"no column is called {name}; there are {', '.join(table.column_names)}")
    return name


def _optional_column(table: pa.Table, role: str, name: str | None) -> str | None:
    if name is None and not {column.lower() for column in table.column_names} & set(COLUMN_NAMES[role]):
        return None
    return _column(table, role, name)


def without_nulls(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column.

    Raises:
        ListeningError: a value is missing.
    """
    values = table[name]
    if values.null_count:
        raise ListeningError(f"{values.null_count} plays have no {name}; leave them out of the file")
    return values


def numbered(table: pa.Table, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the values of a column by rank: int64 (P,), and what each number stands for."""
    coded = pa.concat_arrays(without_nulls(table, name).chunks).dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    values = coded.dictionary.take(pa.array(order)).cast(pa.string()).to_pylist()
    return rank[coded.indices.to_numpy()], tuple(values)


def _milliseconds(name: str, column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Read times as ms since the epoch: timestamps (UTC unless they say otherwise), ISO 8601, seconds or ms."""
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(_MILLISECONDS)
        if pa.types.is_timestamp(column.type):
            played_at_ms: NDArray[np.int64] = column.cast(_MILLISECONDS, safe=False).cast(pa.int64()).to_numpy()
            return played_at_ms
        times: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as exc:
        raise ListeningError(f"column {name} holds no times ({exc}); name another with --time") from exc
    if not (np.isfinite(times).all() and times.min() > 0 and times.max() < _FIRST_US):
        raise ListeningError(
            f"column {name} runs from {times.min():g} to {times.max():g}: neither seconds nor milliseconds since the "
            "epoch; convert it, or name another with --time"
        )
    return np.rint(times if times.max() >= _FIRST_MS else times * 1000).astype(np.int64)
