"""A plain file as a table of DuckDB: its columns, and how each is read as text or as a time.

Nothing is guessed from values: text stays text, byte for byte, so that an id `0101` is not the id `101`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb

from streamer.errors import RecordingError
from streamer.recordings.dialects import Dialect
from streamer.recordings.files import PlainFile
from streamer.recordings.sql import call, identifier, json_path, parsed_ms, quoted, scaled_ms

#: Bytes of one line of text or one JSON value; a slice of the Million Playlist Dataset is one value of 35 MB.
_MAX_LINE_BYTES: Final = 16 << 20
_MAX_VALUE_BYTES: Final = 1 << 30

#: JSON values whose keys are looked at.
_NUM_LOOKED_AT: Final = 200

_NUMBERS: Final = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(\d+,0\))")
_FRACTIONS: Final = re.compile(r"(FLOAT|DOUBLE|DECIMAL.*)")
_TEXTS: Final = re.compile(r'(VARCHAR|UUID|ENUM.*|"NULL")')


@dataclass(frozen=True, slots=True)
class Source:
    """A table.

    Attributes:
        file: what is read.
        kind: what it is, for people.
        table: SQL after FROM.
        columns: SQL of each column by its name, in order.
        types: DuckDB's type of each; text and JSON have VARCHAR alone.
        is_whole: SQL that says whether a row could be parsed.
        num_rows: of Parquet; 0 where nobody has counted them.
    """

    file: PlainFile
    kind: str
    table: str
    columns: Mapping[str, str]
    types: Mapping[str, str] = field(default_factory=dict)
    is_whole: str = "true"
    num_rows: int = 0

    @property
    def share_of_row(self) -> float:
        """The share of the file that a row takes, about: by the rows that Parquet counts, or by the first lines."""
        if self.num_rows:
            return 1 / self.num_rows
        lines, num_bytes = self.file.head.count(b"\n"), self.file.path.stat().st_size
        return len(self.file.head) / lines / num_bytes if lines and num_bytes else 0.0

    def find(self, name: str) -> str | None:
        """Return the SQL of a column, whatever its case; for JSON, `a.b` names the key b of the key a."""
        exact = self.columns.get(name) or {_plain(each): sql for each, sql in self.columns.items()}.get(_plain(name))
        if (
            exact is None
            and self.kind.startswith("JSON")
            and "." in name
            and name.split(".", maxsplit=1)[0] in self.columns
        ):
            return json_path(name.split("."))
        return exact

    def text(self, sql: str) -> str:
        """Return SQL that reads a column as text, the empty one where it has none.

        Raises:
            RecordingError: the column has no text and no whole numbers.
        """
        kind, name = self._type(sql)
        if sql.startswith("(json->>"):
            value = f"json_type({sql.replace('->>', '->', 1)})"
            return f"CASE WHEN {value} IN ('OBJECT', 'ARRAY', 'DOUBLE', 'BOOLEAN') THEN '' ELSE coalesce({sql}, '') END"
        if _TEXTS.fullmatch(kind) or _NUMBERS.fullmatch(kind):
            return f"coalesce({sql}::VARCHAR, '')"
        if kind == "BLOB":
            return f"coalesce(try(decode({sql})), '')"
        advice = "store it as text or whole numbers" if _FRACTIONS.fullmatch(kind) else "name another column"
        raise RecordingError(f"{self.file.name}: column {name} has {kind}, which are no ids; {advice}")

    def milliseconds(self, sql: str, time_zone: str) -> str:
        """Return SQL that reads a column as ms since the epoch, null where it is no time.

        Numbers are seconds, or ms, us or ns where they are so large. Text is a number, ISO 8601, or a date as Last.fm
        or an e-mail writes it. A time without a zone is of `time_zone`.

        Raises:
            RecordingError: the column has something else than numbers, text and times.
        """
        kind, name = self._type(sql)
        if _TEXTS.fullmatch(kind):
            return parsed_ms(sql, time_zone)
        if _NUMBERS.fullmatch(kind) or _FRACTIONS.fullmatch(kind):
            return scaled_ms(f"{sql}::DOUBLE")
        if kind == "BLOB":
            return parsed_ms(f"try(decode({sql}))", time_zone)
        if kind.startswith("TIMESTAMP WITH"):
            return f"epoch_ms({sql})"
        if kind.startswith(("TIMESTAMP", "DATE")):
            return f"epoch_ms(timezone({quoted(time_zone)}, {sql}::TIMESTAMP))"
        raise RecordingError(
            f"{self.file.name}: column {name} has {kind}, which are no times; name another with --time"
        )

    def is_empty(self, sql: str) -> str:
        """Return SQL that says whether a column has no value."""
        kind, _ = self._type(sql)
        return f"({sql} IS NULL OR {sql} = '')" if _TEXTS.fullmatch(kind) else f"({sql} IS NULL)"

    def _type(self, sql: str) -> tuple[str, str]:
        name = next((name for name, each in self.columns.items() if each == sql), sql)
        return self.types.get(name, "VARCHAR"), name


def open_database(time_zone: str) -> duckdb.DuckDBPyConnection:
    """Connect to an empty database in memory that fetches nothing from elsewhere.

    Args:
        time_zone: of times without one.

    Raises:
        RecordingError: there is no such time zone.
    """
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    connection.execute(
        "SET enable_progress_bar = false"
    )  # DuckDB draws one in standard output where Python runs no file
    try:
        connection.execute(f"SET TimeZone = {quoted(time_zone)}")
    except duckdb.Error as exc:
        connection.close()
        raise RecordingError(f"there is no time zone {time_zone!r}; name one such as Europe/Brussels") from exc
    return connection


def delimited(file: PlainFile, dialect: Dialect, *, is_strict: bool) -> Source:
    """Return delimited text as a table.

    Args:
        file: the text.
        dialect: its own.
        is_strict: end with an error at the first row that does not fit; otherwise leave it out, for
            `broken_rows`.
    """
    options = {
        "auto_detect": "false",
        "delim": quoted(dialect.delimiter),
        "quote": quoted(dialect.quote),
        "escape": quoted(dialect.quote),
        "header": str(dialect.has_header).lower(),
        "skip": str(dialect.num_blank),
        "columns": "{" + ", ".join(f"c{number}: 'VARCHAR'" for number in range(len(dialect.names))) + "}",
        "max_line_size": str(_MAX_LINE_BYTES),
        "strict_mode": "true",
    }
    if not is_strict:
        options |= {"ignore_errors": "true", "store_rejects": "true", "rejects_limit": "0"}
    columns = {name: f"c{number}" for number, name in reversed(list(enumerate(dialect.names)))}  # the first of a name
    kind = {"\t": "TSV"}.get(dialect.delimiter, "CSV")
    return Source(file, kind, call("read_csv", file.path, options), dict(reversed(columns.items())))


def parquet(file: PlainFile, connection: duckdb.DuckDBPyConnection) -> Source:
    """Return a Parquet file as a table."""
    table = call("read_parquet", file.path, {"hive_partitioning": "false"})
    described = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {table})").fetchall()
    columns = {name: identifier(name) for name, _ in described}
    ((num_rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return Source(file, "Parquet", table, columns, dict(described), num_rows=num_rows)


def json(file: PlainFile, connection: duckdb.DuckDBPyConnection) -> Source:
    """Return a JSON array of objects, or an object per line, as a table whose columns are their keys."""
    is_array = file.head.lstrip().startswith(b"[")
    table = call(
        "read_json_objects",
        file.path,
        {
            "format": "'array'" if is_array else "'newline_delimited'",
            "maximum_object_size": str(_MAX_LINE_BYTES),
            **({} if is_array else {"ignore_errors": "true"}),
        },
    )
    some = f"(SELECT json FROM {table} LIMIT {_NUM_LOOKED_AT})"
    keys = connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {some} ORDER BY key").fetchall()
    return Source(
        file,
        "JSON" if is_array else "JSON Lines",
        table,
        {key: json_path([key]) for (key,) in keys},
        is_whole="json IS NOT NULL",
    )


def idomaar(file: PlainFile) -> Source:
    """Return the play events of 30Music as a table; a line has an id, a time and the linked entities as JSON."""
    options = {"auto_detect": "false", "delim": quoted("\x1f"), "quote": "''", "header": "false"}
    table = call("read_csv", file.path, options | {"columns": "{c0: 'VARCHAR'}", "max_line_size": str(_MAX_LINE_BYTES)})
    linked = r'"{}":\s*\[\{{"type":\s*"{}",\s*"id":\s*"?([^",}}]+)'
    columns = {
        "user": f"regexp_extract(c0, {quoted(linked.format('subjects', 'user'))}, 1)",
        "track": f"regexp_extract(c0, {quoted(linked.format('objects', 'track'))}, 1)",
        "time": "split_part(c0, chr(9), 3)",
    }
    return Source(file, "30Music events", table, columns)


def playlist_slice(file: PlainFile) -> Source:
    """Return a slice of the Million Playlist Dataset as a table of playlist, position and track."""
    value = call(
        "read_json_objects", file.path, {"format": "'unstructured'", "maximum_object_size": str(_MAX_VALUE_BYTES)}
    )
    playlists = f"(SELECT unnest(from_json(json->'$.playlists', '[\"JSON\"]')) AS playlist FROM {value})"
    table = (
        "(SELECT playlist->>'$.pid' AS pid, unnest(from_json(playlist->'$.tracks', '[\"JSON\"]')) AS track "
        f"FROM {playlists})"
    )
    columns = {"pid": "pid", "pos": "(track->>'$.pos')", "track_uri": "(track->>'$.track_uri')"}
    return Source(file, "slice of the Million Playlist Dataset", table, columns)


def broken_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, str]]:
    """Yield line and reason of each row that a table of delimited text left out."""
    yield from connection.execute(
        "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()


def explain(name: str, error: duckdb.Error) -> RecordingError:
    """Return DuckDB's error in a line with a remedy."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"""['"][^'"]*/refrain-[^'"]*['"]""", name, lines[0].partition("Error: ")[2] or lines[0])
    if "unicode" in str(error).lower() or "utf-8" in str(error).lower():
        place = re.search(r"Line: (\d+)", text)
        where = f"line {place[1]} of {name}" if place else name
        return RecordingError(f"{where} is not UTF-8; name its encoding, e.g. --encoding latin-1")
    if "state machine" in text:
        return RecordingError(f"{name} mixes the line ends of Windows and Unix; convert it, e.g. with dos2unix")
    if place := re.search(r"CSV Error on Line: (\d+)", text):
        reasons = [line for line in lines if line.startswith(("Value with", "Expected", "Maximum line", "Line"))]
        return RecordingError(f"line {place[1]} of {name}: {(reasons or [text])[0]}; correct the line, or leave it out")
    return RecordingError(f"{name} cannot be read: {text}; name a file of plays in Parquet, CSV, TSV or JSON")


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())
