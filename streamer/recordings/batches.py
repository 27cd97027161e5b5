"""The rows of a file as batches of text, in the dialect and the format that the file has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from streamer.errors import RecordingError
from streamer.recordings.columns import ColumnChoice
from streamer.recordings.dialects import read_dialect
from streamer.recordings.files import PlainFile
from streamer.recordings.formats import Format, find_format
from streamer.recordings.rows import MAX_SHOWN
from streamer.recordings.sources import Source, delimited, idomaar, json, parquet, playlist_slice
from streamer.recordings.sql import quoted

#: Rows that are text at the same time, some 100 MB; 40 bytes are kept of each.
_BATCH_ROWS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, as a query for plays.

    Attributes:
        source: the file.
        format: how it holds plays.
        time_zone: of times without one.
    """

    source: Source
    format: Format
    time_zone: str

    def batches(self, connection: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        """Yield batches of `user_id`, `track_id` and `session` as text, `ms`, `no_time`, `has_time` and `is_whole`.

        Raises:
            duckdb.Error: a row does not fit, or the file is damaged.
        """
        found, source = self.format, self.source
        columns = {
            "user_id": found.user or quoted(found.owner or ""),
            "track_id": found.track,
            "ms": source.milliseconds(found.time, self.time_zone),
            "no_time": found.time,
            "has_time": f"NOT {source.is_empty(found.time)}",
            "is_whole": source.is_whole,
            **({} if found.session is None else {"session": found.session}),
        }
        selected = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        shown = f"CASE WHEN ms IS NULL THEN left(no_time::VARCHAR, {MAX_SHOWN + 1}) END AS no_time"
        query = f"SELECT * REPLACE ({shown}) FROM (SELECT {selected} FROM {source.table})"
        try:
            yield from connection.sql(query).to_arrow_reader(_BATCH_ROWS)
        except (OSError, pa.ArrowException) as exc:  # what DuckDB raises once rows are on their way
            raise duckdb.InvalidInputException(str(exc)) from exc


def find_tables(connection: duckdb.DuckDBPyConnection, file: PlainFile, choice: ColumnChoice) -> Sequence[Table]:
    """Return the ways to read a file, the likeliest first; all but the last end with an error where a row does not fit.

    Raises:
        RecordingError: the file holds no plays, or their columns cannot be found.
    """
    sources = find_sources(connection, file, choice)
    return [Table(source, find_format(source, choice), choice.time_zone) for source in sources]


def find_sources(connection: duckdb.DuckDBPyConnection, file: PlainFile, choice: ColumnChoice) -> Sequence[Source]:
    """Return the ways to read a file of any content, as `find_tables` does."""
    text = file.head.lstrip()
    if file.fault or not text:
        raise RecordingError(f"{file.name} {file.fault or 'is empty: name another file'}")
    if file.is_parquet:
        return [parquet(file, connection)]
    if text.startswith(b"{") and b'"playlists"' in text:
        return [playlist_slice(file)]
    if text[:1] in (b"[", b"{"):
        return [json(file, connection)]
    if text.startswith((b"event.play", b"event.session")):
        return [idomaar(file)]
    dialect = read_dialect(file.head, may_have_header=choice.has_header)
    if dialect.may_lack_header:
        raise RecordingError(
            f"{file.name} begins with a row and not with a header ({', '.join(dialect.names)}); add --no-header and "
            "say which columns are which by number, e.g. --user 1 --track 2 --time 3"
        )
    return [
        delimited(file, dialect, is_strict=True),
        delimited(file, dialect.other_quote, is_strict=True),
        delimited(file, dialect, is_strict=False),
    ]
