"""What files of plays say of the tracks in them: titles, artists and albums, under the ids that the plays have."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from streamer.errors import RecordingError
from streamer.recordings.batches import find_sources
from streamer.recordings.columns import ColumnChoice
from streamer.recordings.files import plain_files
from streamer.recordings.formats import find_track
from streamer.recordings.sources import Source, explain, open_database

#: Names of columns, the most likely first. `track` is a title where there is no other, and an artist beside it.
_COLUMNS: Final = {
    "title": ("title", "track_name", "trackname", "master_metadata_track_name", "traname", "track_metadata.track_name"),
    "artist": ("artist", "artist_name", "artistname", "master_metadata_album_artist_name", "artname",
               "track_metadata.artist_name"),
    "album": ("album", "album_name", "albumname", "master_metadata_album_album_name", "track_metadata.release_name"),
}  # fmt: skip


def read_names(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each track that has a title, with `title`, `artist` and `album` as far as a file has them.

    Args:
        path: as of `recordings.plays.read_recording`.

    Raises:
        RecordingError: a file cannot be read, or has no columns of tracks and titles.
    """
    with tempfile.TemporaryDirectory(prefix="refrain-") as scratch, open_database("UTC") as connection:
        for file in plain_files(path, Path(scratch), None):
            if file.fault:
                raise RecordingError(f"{file.name}: {file.fault}")
            try:
                source = find_sources(connection, file, ColumnChoice())[0]
                yield from _names(connection, source)
            except duckdb.Error as exc:
                raise explain(file.name, exc) from exc


def _names(connection: duckdb.DuckDBPyConnection, source: Source) -> Iterator[tuple[str, dict[str, str]]]:
    columns = {role: sql for role, names in _COLUMNS.items() if (sql := _find(source, names))}
    if "title" not in columns and "artist" in columns and (title := source.find("track")):
        columns["title"] = title
    track = find_track(source)
    if track is None or "title" not in columns:
        raise RecordingError(
            f"{source.file.name}: no columns contain the track and its title: looked for {', '.join(_COLUMNS['title'])}"
            f", found {', '.join(source.columns)}; rename one"
        )
    texts = ", ".join(f"max({source.text(sql)})" for sql in columns.values())  # of several, always the same one
    found = connection.execute(
        f"SELECT {track} AS id, {texts} FROM {source.table} WHERE {source.is_whole} AND {track} <> '' "
        f"AND {source.text(columns['title'])} <> '' GROUP BY id ORDER BY id"
    )
    while rows := found.fetchmany(10_000):
        for track_id, *values in rows:
            yield track_id, {role: text for role, text in zip(columns, values, strict=True) if text}


def _find(source: Source, names: tuple[str, ...]) -> str | None:
    return next((sql for name in names if (sql := source.find(name))), None)
