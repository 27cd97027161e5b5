"""Playlists to train on: files with columns for playlist, position and track, or of the Million Playlist Dataset."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from models.plays.catalogue import track_keys
from models.plays.histories import Histories
from models.plays.playlists import playlist_histories
from models.wording import plural
from streamer.errors import RecordingError
from streamer.recordings.batches import find_sources
from streamer.recordings.columns import PLAYLIST_COLUMN_NAMES, ColumnChoice
from streamer.recordings.files import plain_files
from streamer.recordings.ordering import ranked
from streamer.recordings.rows import Ids
from streamer.recordings.sources import Source, explain, open_database


def read_playlists(path: Path) -> Histories:
    """Read playlists from columns with names of `PLAYLIST_COLUMN_NAMES`, in any order of rows.

    Args:
        path: as of `recordings.plays.read_recording`.

    Raises:
        RecordingError: a file or a column is missing, a position is no whole number, or an id is none.
    """
    playlists, tracks = Ids("the id of a playlist"), Ids("track_id")
    parts = []
    with tempfile.TemporaryDirectory(prefix="refrain-") as scratch, open_database("UTC") as connection:
        for file in plain_files(path, Path(scratch), None):
            try:
                source = find_sources(connection, file, ColumnChoice())[0]
                for batch in _batches(connection, source):
                    position = batch["position"].to_numpy()
                    parts.append((playlists.number(batch["playlist"])[0], position, tracks.number(batch["track"])[0]))
            except duckdb.Error as exc:
                raise explain(file.name, exc) from exc
    if not parts:
        raise RecordingError(f"{path} contains no playlists; name another file")
    numbers, positions, of_track = (np.concatenate(column) for column in zip(*parts, strict=True))
    return playlist_histories(ranked(numbers, playlists.ids)[0], positions, track_keys(tracks.ids)[of_track])


def _batches(connection: duckdb.DuckDBPyConnection, source: Source) -> Iterator[pa.RecordBatch]:
    playlist, position, track = (_column(source, role) for role in PLAYLIST_COLUMN_NAMES)
    ids = f"{source.text(playlist)} AS playlist, {source.text(track)} AS track"
    query = f"SELECT {ids}, try_cast({position} AS BIGINT) AS position FROM {source.table}"
    for batch in connection.sql(query).to_arrow_reader():
        if num := batch["position"].null_count:
            have = plural(num, "row has", "rows have")
            raise RecordingError(f"{source.file.name}: {have} no position; number the tracks of each playlist")
        for role in ("playlist", "track"):
            if num := pa.compute.sum(pa.compute.equal(batch[role], "")).as_py():
                have = plural(num, "row has", "rows have")
                raise RecordingError(f"{source.file.name}: {have} no {role}; remove what has none from the file")
        yield batch


def _column(source: Source, role: str) -> str:
    names = PLAYLIST_COLUMN_NAMES[role]
    if found := next((sql for name in names if (sql := source.find(name))), None):
        return found
    raise RecordingError(
        f"{source.file.name}: no column contains the {role}: looked for {', '.join(names)}, found "
        f"{', '.join(source.columns)}; rename a column"
    )
