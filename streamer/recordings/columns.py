"""The usual names of the columns of recorded plays and playlists, and what a reader chooses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Names to look for by default, the most likely first; case and blanks around them do not matter.
COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id", "userid", "user_name", "username", "listener", "listener_id"),
    "track": ("track", "track_id", "trackid", "track_uri", "spotify_track_uri", "item", "item_id", "itemid", "song",
              "song_id", "songid", "recording_mbid", "recording_msid"),
    "time": ("played_at", "ts", "timestamp", "time", "datetime", "listened_at", "date", "uts", "endtime"),
    "session": ("session", "session_id", "sessionid"),
}  # fmt: skip

#: The same for files of playlists.
PLAYLIST_COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "playlist": ("playlist", "playlist_id", "playlistid", "pid"),
    "position": ("position", "pos"),
    "track": COLUMN_NAMES["track"],
}

#: Who plays in an export of one person's listening, if nobody says.
ME: Final = "me"

#: Above this share of rows left out, a file is refused: something else is wrong with it than single rows.
MAX_LEFT_OUT: Final = 0.5


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """How to read a recording, where it should not be found out.

    Attributes:
        user: a column's name, a path of keys in JSON, or the name of the one listener of a file that has no such
            column; None: one of `COLUMN_NAMES`, as below.
        track: a column's name, or a path of keys in JSON.
        time: the same.
        session: the same.
        has_header: whether the first line of delimited text may name the columns; otherwise they are 1, 2 and so on.
        time_zone: of times without one, an IANA name.
        encoding: of text, as Python names it; None: UTF-8, or what a byte order mark says.
        max_left_out: share of rows above which a recording is refused.
    """

    user: str | None = None
    track: str | None = None
    time: str | None = None
    session: str | None = None
    has_header: bool = True
    time_zone: str = "UTC"
    encoding: str | None = None
    max_left_out: float = MAX_LEFT_OUT
