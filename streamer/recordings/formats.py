"""The formats of plays that people have, and which columns of each say who played what, and when.

A track that has no id of its own is named `artist - title`, in every format.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamer.errors import RecordingError
from streamer.recordings.columns import COLUMN_NAMES, ME, ColumnChoice
from streamer.recordings.sources import Source

#: Between an artist and a title.
_DASH: Final = " - "


@dataclass(frozen=True, slots=True)
class Format:
    """How a table holds plays.

    Attributes:
        name: for people.
        user: SQL of the listener, as text; None: all plays are of `owner`.
        track: SQL of the track, as text.
        time: SQL of a column of times.
        session: SQL of the session, as text, if there is one.
        owner: the one listener.
    """

    name: str
    user: str | None
    track: str
    time: str
    session: str | None = None
    owner: str | None = None


def find_format(source: Source, choice: ColumnChoice) -> Format:
    """Recognise the format of a table by its columns; what the reader chose comes first.

    Raises:
        RecordingError: a column is missing, or one was chosen that does not exist.
    """
    known = next(_known_formats(source), None)
    track = _chosen(source, "track", choice.track) or (known.track if known else _track(source))
    time = _chosen(source, "time", choice.time) or (known.time if known else None)
    user = _user(source, choice.user, known)
    return Format(
        known.name if known else source.kind,
        user,
        track or _required(source, "track"),
        time or _required(source, "time"),
        _chosen(source, "session", choice.session) or _usual(source, "session"),
        owner=_owner(source, choice.user, known) if user is None else None,
    )


def find_track(source: Source) -> str | None:
    """Return SQL of the track, as `find_format` does, of a table that need not hold plays; None if there is none."""
    known = next(_known_formats(source), None)
    return known.track if known else _track(source)


def _user(source: Source, name: str | None, known: Format | None) -> str | None:
    """Return the column of the listeners; None if all plays are of one, who may have been named."""
    user = (known.user if known else None) or _usual(source, "user")
    if name is None:
        return user
    if column := source.find(name):
        return source.text(column)
    if user is None or (known is not None and known.user is None):
        return None
    raise _no_column(source, name)


def _owner(source: Source, user: str | None, known: Format | None) -> str:
    if user is not None:
        return user
    if known is not None:
        return known.owner or ME
    raise RecordingError(
        f"{source.file.name}: no column contains the user: looked for {', '.join(COLUMN_NAMES['user'])}, found "
        f"{', '.join(source.columns)}; name one with --user, or, if all plays are of one listener, them: --user me"
    )


def _known_formats(source: Source) -> Iterator[Format]:
    """Yield the formats that a table's columns fit."""
    has = {name.lower() for name in source.columns}
    find = source.find
    if {"endtime", "artistname", "trackname"} <= has:
        yield Format("Spotify account data", None, _named(source, "artistname", "trackname"), _sql(find("endtime")))
    if {"ts", "spotify_track_uri"} <= has:
        user = find("username")
        yield Format(
            "Spotify extended streaming history", user and source.text(user),
            source.text(_sql(find("spotify_track_uri"))), _sql(find("ts")),
        )  # fmt: skip
    if {"listened_at", "track_metadata"} <= has:
        yield _listenbrainz(source)
    if {"artist", "track"} <= has and ({"uts", "utc_time"} & has):
        user = _usual(source, "user")
        time = _sql(find("uts") or find("utc_time"))
        yield Format("Last.fm export", user, _named(source, "artist", "track"), time)
    if {"userid", "traid", "artname", "traname"} <= has:
        track = f"coalesce(nullif({_sql(find('traid'))}, ''), {_named(source, 'artname', 'traname')})"
        yield Format("Last.fm-1K", find("userid"), track, _sql(find("timestamp")))
    for name, sql in source.columns.items():
        if name.lower().startswith("date#") and {"artist", "track"} <= has:
            yield Format("lastfmstats.com", None, _named(source, "artist", "track"), sql, owner=name[len("date#") :])


def _listenbrainz(source: Source) -> Format:
    def key(path: str) -> str:
        return f"nullif({_sql(source.find(path))}, '')"

    info = "track_metadata.additional_info"
    names = _joined(key("track_metadata.artist_name"), key("track_metadata.track_name"))
    ids = [
        key("track_metadata.mbid_mapping.recording_mbid"),
        key(f"{info}.recording_mbid"),
        key(f"{info}.recording_msid"),
    ]
    if source.find("recording_msid"):
        ids.append(key("recording_msid"))
    user = source.find("user_name")
    track = f"coalesce({', '.join(ids)}, {names}, '')"
    return Format("ListenBrainz", user and source.text(user), track, _sql(source.find("listened_at")))


def _track(source: Source) -> str | None:
    """Return the usual column of ids, or the name of the track from those of its artist and title."""
    if found := _usual(source, "track"):
        return found
    for artist, title in (("artist_name", "track_name"), ("artistname", "trackname"), ("artist", "title"),
                          ("master_metadata_album_artist_name", "master_metadata_track_name")):  # fmt: skip
        if source.find(artist) and source.find(title):
            return _named(source, artist, title)
    return None


def _chosen(source: Source, role: str, name: str | None) -> str | None:
    if name is None:
        return None
    if (sql := source.find(name)) is None:
        raise _no_column(source, name)
    return sql if role == "time" else source.text(sql)


def _no_column(source: Source, name: str) -> RecordingError:
    return RecordingError(f"{source.file.name}: there is no column {name}; the columns are {', '.join(source.columns)}")


def _usual(source: Source, role: str) -> str | None:
    found = next((sql for name in COLUMN_NAMES[role] if (sql := source.find(name))), None)
    return found if found is None or role == "time" else source.text(found)


def _required(source: Source, role: str) -> str:
    if found := _usual(source, role):
        return found
    raise RecordingError(
        f"{source.file.name}: no column contains the {role}: looked for {', '.join(COLUMN_NAMES[role])}, found "
        f"{', '.join(source.columns)}; name one with --{role}"
    )


def _named(source: Source, artist: str, title: str) -> str:
    return (
        f"coalesce({_joined(*(f'nullif({_sql(source.find(name))}, {chr(39) * 2})' for name in (artist, title)))}, '')"
    )


def _joined(artist: str, title: str) -> str:
    return f"({artist} || '{_DASH}' || {title})"


def _sql(found: str | None) -> str:
    assert found is not None, "looked for before"
    return found
