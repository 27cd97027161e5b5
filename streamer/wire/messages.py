"""The messages on the wire: plays and release notices in; recommendations, dead letters and notices out.

`streamer.wire.asyncapi` generates the schemas in docs/ from these structs. `plays.decode` reads chunks of plays into
columns; `recommendations.ListEncoder` writes the recommendations of a batch.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from models.config import CONTEXTS

MAX_ID_BYTES: Final = 256
MAX_DEAD_VALUE_BYTES: Final = 64 << 10  # leaves room for headers below any sane `message.max.bytes`
MAX_DEAD_KEY_BYTES: Final = 1 << 10

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


class DeadLetterHeaders(msgspec.Struct, frozen=True, rename="kebab", omit_defaults=True):
    """The headers of a dead letter, each as text."""

    error: Cause
    reason: Annotated[str, Meta(description="For those who fix the producer; names no listener.")]
    source_topic: str
    source_partition: Annotated[int, Meta(ge=0)]
    source_offset: Annotated[int, Meta(ge=0)]
    worker_version: str
    sha256: Annotated[str | None, Meta(description="Of the whole value, if it was truncated.")] = None
    original_size: Annotated[int | None, Meta(description="Bytes of the whole value, if it was truncated.")] = None
    original_key_size: Annotated[int | None, Meta(description="Bytes of the whole key, if it was truncated.")] = None

    @property
    def is_cut(self) -> bool:
        """Whether the dead letter holds less than was received."""
        return self.original_size is not None or self.original_key_size is not None


class ReceiptHeaders(msgspec.Struct, frozen=True, rename="kebab"):
    """The headers of a receipt: a dead letter of this partition was re-sent to `plays`."""

    sent_again: Annotated[int, Meta(ge=0, description="Offset of the dead letter.")]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected record, as it is produced: truncated, so that no poison pill exceeds the broker's limits."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def dead_letter(key: bytes | None, value: bytes | None, headers: DeadLetterHeaders) -> DeadLetter:
    """Truncate a rejected record to MAX_DEAD_KEY_BYTES and MAX_DEAD_VALUE_BYTES; headers then describe the whole."""
    if value is not None and len(value) > MAX_DEAD_VALUE_BYTES:
        digest = hashlib.sha256(value).hexdigest()
        headers = msgspec.structs.replace(headers, sha256=digest, original_size=len(value))
    if key is not None and len(key) > MAX_DEAD_KEY_BYTES:
        headers = msgspec.structs.replace(headers, original_key_size=len(key))
    return DeadLetter(
        key=key and key[:MAX_DEAD_KEY_BYTES], value=value and value[:MAX_DEAD_VALUE_BYTES], headers=as_headers(headers)
    )


def as_headers(headers: DeadLetterHeaders | ReceiptHeaders) -> list[tuple[str, bytes]]:
    """Convert headers to Kafka's form."""
    return [(name, str(text).encode()) for name, text in msgspec.to_builtins(headers).items()]
