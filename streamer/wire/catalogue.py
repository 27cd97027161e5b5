"""A record of `catalogue`: what a track is called, or that it was withdrawn.

`read_entry` decides what is accepted, for the topic and for files that are loaded onto it. It never raises: a bad
record costs its own track its name, and nothing else (law 5). What the newest record of a track says is all that
counts, since compaction removes those before it: a bad one leaves the track without a name, and in the lists.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from streamer.wire.messages import Cause
from streamer.wire.plays import check_id

#: More is no name; a million tracks of this size would be 64 GB.
MAX_RECORD_BYTES: Final = 64 << 10

#: Why a record may be refused.
CAUSES: Final = (Cause.NULL_KEY, Cause.INVALID_TRACK_ID, Cause.TOO_LARGE, Cause.NOT_JSON, Cause.WRONG_TYPE)

_Text = Annotated[str, Meta(max_length=1024)]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=256)]
_Date = Annotated[
    str, Meta(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$", description="As exactly as it is known: 1997, 1997-05, 1997-05-21.")
]
_Link = Annotated[str, Meta(pattern=r"^https?://\S+$", max_length=2048, description="URL of a cover.")]


class TrackRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a track is. The key of the message is the track id in UTF-8; a null value withdraws the track."""

    title: _Text | None = None
    artists: Annotated[_Texts, Meta(description="Most important first.")] = ()
    album: _Text | None = None
    released: _Date | None = None
    duration_ms: Annotated[int, Meta(ge=0)] | None = None
    picture: _Link | None = None
    tags: _Texts = ()

    def __str__(self) -> str:
        """Return `artists: title`, or what is known of them."""
        return ": ".join(part for part in (", ".join(self.artists), self.title) if part)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record was refused: the stable code, and a sentence for those who fix its writer."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a record says of a track.

    Attributes:
        track_id: empty if the key is none.
        record: None if the track is withdrawn, or the record refused.
        refusal: None unless the record was refused.
    """

    track_id: str
    record: TrackRecord | None
    refusal: Refusal | None = None

    @property
    def withdraws(self) -> bool:
        """Whether the track leaves the lists."""
        return self.record is None and self.refusal is None


_parse = msgspec.json.Decoder(TrackRecord).decode
encode_record = msgspec.json.Encoder().encode


def read_entry(key: bytes | None, value: bytes | None) -> Entry:
    """Read a record, whatever its bytes."""
    if refusal := _check_key(key):
        return Entry("", None, refusal)
    assert key is not None
    track_id = key.decode()
    if value is None:
        return Entry(track_id, None)
    if len(value) > MAX_RECORD_BYTES:
        reason = f"the record has {len(value)} bytes; it may have {MAX_RECORD_BYTES}"
        return Entry(track_id, None, Refusal(Cause.TOO_LARGE, reason))
    try:
        return Entry(track_id, _parse(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        cause = Cause.WRONG_TYPE if isinstance(exc, msgspec.ValidationError) else Cause.NOT_JSON
        return Entry(track_id, None, Refusal(cause, str(exc)))


def _check_key(key: bytes | None) -> Refusal | None:
    """Say why a key names no track; None if it does."""
    if key is None:
        return Refusal(Cause.NULL_KEY, "the record has no key; key every record by its track id in UTF-8")
    if reason := check_id(key, "the track id"):
        return Refusal(Cause.INVALID_TRACK_ID, reason)
    try:
        key.decode()
    except UnicodeDecodeError:
        return Refusal(Cause.INVALID_TRACK_ID, "the track id is not UTF-8; write it in UTF-8")
    return None
