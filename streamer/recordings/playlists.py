"""Playlists to train on: any Parquet or CSV file with columns for playlist, position and track."""

from pathlib import Path

import pyarrow as pa

from models.plays.catalogue import track_keys
from models.plays.histories import Histories
from models.plays.playlists import playlist_histories
from streamer.recordings.columns import PLAYLIST_COLUMN_NAMES
from streamer.recordings.table import RecordingError, find_column, numbered, read_table, without_nulls


def read_playlists(path: Path) -> Histories:
    """Read playlists from columns with names of `PLAYLIST_COLUMN_NAMES`.

    Args:
        path: a Parquet file, or a CSV file with a header (`.csv`, `.tsv`, either one also as `.gz`).

    Raises:
        RecordingError: the file or a column is missing, or a position is not a whole number.
    """
    table = read_table(path)
    columns = {role: find_column(table, role, names) for role, names in PLAYLIST_COLUMN_NAMES.items()}
    playlists, _ = numbered(table, columns["playlist"])
    tracks, track_ids = numbered(table, columns["track"])
    name = columns["position"]
    try:
        positions = without_nulls(table, name).cast(pa.int64()).to_numpy()
    except pa.ArrowException as exc:
        raise RecordingError(
            f"column {name} contains no positions ({exc}); number the tracks of each playlist"
        ) from exc
    return playlist_histories(playlists, positions, track_keys(track_ids)[tracks])
