"""The records of the topic of dead letters: rejected plays, and what was done with them.

The topic is compacted, so that one letter can be removed: every record has a key of its own, and a null value removes
the record before it that has the same key. No key names a listener.

    key                value             headers
    plays:3:90125      the play          letter: the play at offset 90125 of partition 3 was rejected
    plays:3:90125      null              the letter was discarded, or its listener forgotten
    sent-again:17      empty             receipt: the letter at offset 17 was re-sent
    discarded:17       empty             the letter at offset 17 was removed, but has no key of its own (see below)
    forget:3:90200     a user id         request: the listener was forgotten, their letters before it must go
    forget:3:90200     null              they are gone

Earlier versions gave a letter the key of its play, and a receipt none. Both are still read.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple, Self, TypeVar

import msgspec
from msgspec import Meta

from streamer.wire.messages import Cause

MAX_DEAD_VALUE_BYTES: Final = 64 << 10  # leaves room for headers below any sane `message.max.bytes`
MAX_DEAD_KEY_BYTES: Final = 1 << 10
DEAD_LETTER_ROOM_BYTES: Final = 4 << 10  # what a dead letter takes besides its value: headers, key, record batch

Headers = Sequence[tuple[str, bytes | None]]

_Bytes = Annotated[bytes, Meta(extra_json_schema={"contentEncoding": "binary"})]
_Place = Annotated[str, Meta(pattern="^[0-9]+:[0-9]+$")]


class RecordId(NamedTuple):
    """The position of a record on its topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Return `partition:offset`."""
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `partition:offset`.

        Raises:
            ValueError: the text is something else.
        """
        partition, offset = map(int, text.split(":"))
        return cls(partition, offset)


class DeadLetterHeaders(msgspec.Struct, frozen=True, rename="kebab", omit_defaults=True):
    """The headers of a dead letter, each as text except `play-key`."""

    error: Cause
    reason: Annotated[str, Meta(description="For those who fix the producer; names no listener.")]
    source_topic: str
    source_partition: Annotated[int, Meta(ge=0)]
    source_offset: Annotated[int, Meta(ge=0)]
    worker_version: str
    play_key: Annotated[
        _Bytes | None, Meta(description="The key of the play as received, or truncated; absent if it had none.")
    ] = None
    null_value: Annotated[
        bool, Meta(description="Whether the value was null; it is empty here, as null would remove the letter.")
    ] = False
    sha256: Annotated[str | None, Meta(description="Of the whole value, if it was truncated.")] = None
    original_size: Annotated[int | None, Meta(description="Bytes of the whole value, if it was truncated.")] = None
    original_key_size: Annotated[int | None, Meta(description="Bytes of the whole key, if it was truncated.")] = None
    letter: Annotated[
        _Place | None, Meta(description="PARTITION:OFFSET of the letter that the play was re-sent from, if it was.")
    ] = None
    times_sent: Annotated[int, Meta(ge=0, description="How often an operator had re-sent the play.")] = 0

    @property
    def is_cut(self) -> bool:
        """Whether the dead letter holds less than was received."""
        return self.original_size is not None or self.original_key_size is not None

    @property
    def record_key(self) -> bytes:
        """The key of the letter."""
        return f"{self.source_topic}:{self.source_partition}:{self.source_offset}".encode()


class ResentHeaders(msgspec.Struct, frozen=True, rename="kebab"):
    """The headers of a play that an operator re-sent; its next letter has them too."""

    letter: Annotated[_Place, Meta(description="PARTITION:OFFSET of its dead letter.")]
    times_sent: Annotated[int, Meta(ge=1, description="This time included.")]


class ReceiptHeaders(msgspec.Struct, frozen=True, rename="kebab"):
    """The headers of a receipt: a dead letter of this partition was re-sent to `plays`."""

    sent_again: Annotated[int, Meta(ge=0, description="Offset of the dead letter.")]


class DiscardHeaders(msgspec.Struct, frozen=True, rename="kebab"):
    """The headers of a record that removes a dead letter of this partition without a key of its own."""

    discarded: Annotated[int, Meta(ge=0, description="Offset of the dead letter.")]


class ForgetHeaders(msgspec.Struct, frozen=True, rename="kebab"):
    """The headers of a request to remove a forgotten listener's letters; the value is the user id in UTF-8."""

    forget: Annotated[_Place, Meta(description="PARTITION:OFFSET of the tombstone on `plays`.")]


_AnyHeaders = DeadLetterHeaders | ResentHeaders | ReceiptHeaders | DiscardHeaders | ForgetHeaders
_Kind = TypeVar("_Kind", bound=_AnyHeaders)


@dataclass(frozen=True, slots=True)
class LetterRecord:
    """A record for the topic of dead letters; a null value removes the one before it with the same key."""

    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


def dead_letter(
    key: bytes | None, value: bytes | None, headers: DeadLetterHeaders, max_value_bytes: int = MAX_DEAD_VALUE_BYTES
) -> LetterRecord:
    """Make the letter of a rejected play, truncated so that no poison pill exceeds the broker's limits.

    Args:
        key: of the play, cut to MAX_DEAD_KEY_BYTES.
        value: of the play.
        headers: without what they say about key and value.
        max_value_bytes: what the value is cut to.
    """
    whole = msgspec.structs.replace(headers, play_key=key and key[:MAX_DEAD_KEY_BYTES], null_value=value is None)
    if value is not None and len(value) > max_value_bytes:
        digest = hashlib.sha256(value).hexdigest()
        whole = msgspec.structs.replace(whole, sha256=digest, original_size=len(value))
    if key is not None and len(key) > MAX_DEAD_KEY_BYTES:
        whole = msgspec.structs.replace(whole, original_key_size=len(key))
    return LetterRecord(headers.record_key, (value or b"")[:max_value_bytes], as_headers(whole))


def receipt(offset: int) -> LetterRecord:
    """Make the receipt of a letter: it was re-sent."""
    return LetterRecord(b"sent-again:%d" % offset, b"", as_headers(ReceiptHeaders(offset)))


def discard(offset: int) -> LetterRecord:
    """Make the record that removes a letter without a key of its own."""
    return LetterRecord(b"discarded:%d" % offset, b"", as_headers(DiscardHeaders(offset)))


def forget_request(user: bytes, source: RecordId) -> LetterRecord:
    """Make the request to remove a listener's letters.

    Args:
        user: the user id in UTF-8.
        source: of the tombstone on `plays`.
    """
    return LetterRecord(b"forget:%b" % str(source).encode(), user, as_headers(ForgetHeaders(str(source))))


def removal(key: bytes) -> LetterRecord:
    """Make the record that removes the one before it with the same key."""
    return LetterRecord(key, None, [])


def as_headers(headers: _AnyHeaders) -> list[tuple[str, bytes]]:
    """Convert headers to Kafka's form."""
    fields = msgspec.to_builtins(headers, builtin_types=(bytes,))
    return [(name, _header(field)) for name, field in fields.items()]


def read_headers(headers: Headers, kind: type[_Kind]) -> _Kind | None:
    """Parse a record's headers; None if they are not of this kind, since any client may write to the topic."""
    fields = {name: _field(name, field) for name, field in headers if field is not None}
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _header(field: bytes | str | int) -> bytes:
    if isinstance(field, bytes):
        return field
    return field.encode() if isinstance(field, str) else msgspec.json.encode(field)


def _field(name: str, field: bytes) -> bytes | str:
    return field if name == "play-key" else field.decode(errors="replace")
