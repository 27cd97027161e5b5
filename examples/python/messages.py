"""The messages of Refrain as types; docs/schemas describes each field."""

from typing import NotRequired, TypedDict


class Play(TypedDict):
    """A listener played a track."""

    user_id: str
    track_id: str
    played_at: int | str  # milliseconds since 1970, or RFC 3339 with a UTC offset
    context: NotRequired[str | None]
    ms_played: NotRequired[int | None]
    duration_ms: NotRequired[int | None]
    skipped: NotRequired[bool | None]


class RankedTrack(TypedDict):
    """One track of a list."""

    track_id: str
    score: float  # relative to the first track of the list


class Recommendation(TypedDict):
    """What a listener may play next (short-term), or discover (long-term), best first."""

    user_id: str
    horizon: str
    tracks: list[RankedTrack]
    release: str
    plays_seen: int
    source_partition: int
    source_offset: int
    played_at: int
    emitted_at: int
