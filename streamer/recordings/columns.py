"""The usual names of the columns of recorded plays and playlists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Names to look for by default, the most likely first; case does not matter.
COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id", "userid", "listener", "listener_id"),
    "track": ("track", "track_id", "trackid", "item", "item_id", "itemid", "song", "song_id"),
    "time": ("played_at", "ts", "timestamp", "time", "datetime"),
    "session": ("session", "session_id", "sessionid"),
}

#: The same for files of playlists.
PLAYLIST_COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "playlist": ("playlist", "playlist_id", "playlistid", "pid"),
    "position": ("position", "pos"),
    "track": COLUMN_NAMES["track"],
}


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The names of a file's columns; None: one of `COLUMN_NAMES`."""

    user: str | None = None
    track: str | None = None
    time: str | None = None
    session: str | None = None
