"""The messages on the wire: plays and release notices in; recommendations and notices out; dead letters: `letters`.

`streamer.wire.asyncapi` generates the schemas in docs/ from these structs. `plays.decode` reads chunks of plays into
columns; `recommendations.ListEncoder` writes the recommendations of a batch.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from models.config import CONTEXTS

MAX_ID_BYTES: Final = 256

Horizon = Literal["short-term", "long-term"]

# The limits are in the schema only: `plays.decode` checks them itself, in bytes, to distinguish the causes.
_Id = Annotated[
    str,
    Meta(description=f"At most {MAX_ID_BYTES} bytes of UTF-8.", extra_json_schema={"minLength": 1, "maxLength": 256}),
]
_Milliseconds = Annotated[int, Meta(ge=0)]
_EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]


class Play(msgspec.Struct, frozen=True, gc=False):
    """A listener played a track. The key of the message is `user_id` in UTF-8; a null value forgets the listener."""

    user_id: _Id
    track_id: _Id
    played_at: _EpochMs | Annotated[datetime, Meta(tz=True, description="RFC 3339, with a UTC offset.")]
    context: Annotated[str | None, Meta(examples=list(CONTEXTS[1:]))] = None
    ms_played: _Milliseconds | None = None
    duration_ms: _Milliseconds | None = None
    skipped: Annotated[bool | None, Meta(description="Remembered; no network reads it.")] = None


class RankedTrack(msgspec.Struct, frozen=True, gc=False):
    """One track of a list."""

    track_id: str
    score: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="How likely this track is, relative to the first of the list, as the release estimates it: 1 "
            "for the first, 0.25 for a track that is a quarter as likely, 0.0001 also for less. Four decimals. "
            "Independent of the length of the list. Compares the tracks of one list, not lists: each begins with 1.",
        ),
    ]


class Recommendation(msgspec.Struct, frozen=True):
    """What to play next, or to discover; identified by user, horizon, source partition and source offset."""

    user_id: str
    horizon: Horizon
    tracks: Annotated[tuple[RankedTrack, ...], Meta(description="Best first.")]
    release: Annotated[str, Meta(description="The release that ranked the tracks.")]
    plays_seen: Annotated[int, Meta(ge=1, description="Plays of this listener up to and including the source play.")]
    source_partition: Annotated[int, Meta(ge=0)]
    source_offset: Annotated[int, Meta(ge=0)]
    played_at: _EpochMs
    emitted_at: _EpochMs


class ReleaseNotice(msgspec.Struct, frozen=True):
    """A release is available under the alias that is the key of the message."""

    release_id: str
    location: Annotated[
        str,
        Meta(
            description="The release directory below REFRAIN_RELEASES_URL: the id. Up to 1.x, a full URL, of which only"
            " the last part, the id, counts."
        ),
    ]
    manifest_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Cause(StrEnum):
    """Why a play was rejected: stable codes, in the header `error` of its dead letter."""

    NOT_JSON = "not-json"
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    IMPOSSIBLE_TIME = "impossible-time"
    KEY_MISMATCH = "key-mismatch"
    NULL_KEY = "null-key"
    TOO_LARGE = "too-large"
    INVALID_USER_ID = "invalid-user-id"
    INVALID_TRACK_ID = "invalid-track-id"
    STRAY_PARTITION = "stray-partition"
    UNCOMPUTABLE = "uncomputable"

    @property
    def words(self) -> str:
        """The code as people read it."""
        return self.value.replace("-", " ").replace("json", "JSON")
