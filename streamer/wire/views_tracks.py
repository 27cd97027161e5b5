"""Views of tracks: what a worker says of them to whoever asks, as JSON."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAX_TRACKS: Final = 200
MAX_FOUND: Final = 20

_Row = Annotated[int, Meta(ge=0, description="Of the release's catalogue, from 0.")]


class TrackQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tracks to look up: by row or by id."""

    rows: Annotated[tuple[_Row, ...], Meta(max_length=MAX_TRACKS)] = ()
    track_ids: Annotated[tuple[str, ...], Meta(max_length=MAX_TRACKS)] = ()


class TrackSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for: part of an id, or the beginnings of words of title and artists."""

    text: Annotated[str, Meta(min_length=1, max_length=200)]
    limit: Annotated[int, Meta(ge=1, le=MAX_FOUND)] = MAX_FOUND


class TrackView(msgspec.Struct, frozen=True):
    """A track: as much as release and catalogue say of it."""

    row: Annotated[int | None, Meta(description="Of the release's catalogue; null if the release does not know it.")]
    track_id: str
    is_withdrawn: bool
    popularity: Annotated[float | None, Meta(description="Share of all plays; null if nothing says.")] = None
    title: str | None = None
    artists: tuple[str, ...] | None = None
    album: str | None = None
    released: str | None = None
    duration_ms: int | None = None
    tags: tuple[str, ...] | None = None
