"""Views of dead letters, as JSON, and what is asked of them."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from streamer.wire.messages import Cause

MAX_LISTED = 200
MAX_NAMED = 200

_EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]
_Number = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_Offset = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Moment = Annotated[str, Meta(pattern=r"^-?[0-9]{1,18}:[0-9]{1,9}:[0-9]{1,18}$")]
Encoding: TypeAlias = Literal["utf-8", "base64"]


class LettersQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which letters are listed."""

    cause: Annotated[Cause | None, Meta(description="Only those of this cause; all are counted.")] = None
    before: Annotated[_Moment | None, Meta(description="`next` of the page before.")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 50


class LetterPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a letter is on the topic of dead letters."""

    partition: _Number
    offset: _Offset


class LettersNamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Letters to send again."""

    letters: Annotated[tuple[LetterPlace, ...], Meta(min_length=1, max_length=MAX_NAMED)]


class LettersToDiscard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Letters to discard."""

    letters: Annotated[tuple[LetterPlace, ...], Meta(min_length=1, max_length=MAX_NAMED)]
    confirm: Annotated[bool, Meta(description="Without it nothing is discarded, and the answer says how many.")] = False


class LetterSource(msgspec.Struct, frozen=True):
    """Where the play is that was rejected."""

    topic: str
    partition: int
    offset: int


class ShownLetter(msgspec.Struct, frozen=True):
    """What is shown of a letter wherever it is."""

    partition: int
    offset: int
    cause: str
    reason: Annotated[str, Meta(description="Names no listener.")]
    at: Annotated[_EpochMs, Meta(description="When the play was rejected.")]
    source: LetterSource
    num_bytes: Annotated[int, Meta(description="Of the value as it was received.")]
    sent_again: bool
    times_sent: Annotated[int, Meta(description="How often the play had been sent again before it was rejected.")]


class LetterSummary(ShownLetter, frozen=True):
    """A letter in a list."""

    key: Annotated[str | None, Meta(description="The beginning; what is no printable text is escaped.")]
    value: Annotated[str | None, Meta(description="The beginning; what is no printable text is escaped.")]


class LettersView(msgspec.Struct, frozen=True):
    """The newest letters, newest first."""

    causes: Annotated[dict[str, int], Meta(description="How many letters there are of each cause.")]
    letters: tuple[LetterSummary, ...]
    next: Annotated[str | None, Meta(description="`before` of the next page; null: there is none.")]
    looked_at: Annotated[int, Meta(description="Records of the topic that were looked at, of any kind.")]
    is_whole: Annotated[bool, Meta(description="Those were all; else there are older ones, which are not counted.")]
    foreign: Annotated[int, Meta(description="Records that are not from this version of Refrain.")]


class LetterView(ShownLetter, frozen=True):
    """A letter in full."""

    headers: Annotated[dict[str, str], Meta(description="As on the topic, but `play-key`, which is `key` here.")]
    key: str | None
    key_encoding: Encoding
    value: str | None
    value_encoding: Encoding
    is_cut: Annotated[bool, Meta(description="Key or value is longer than what is left of it.")]
    refusal: Annotated[str | None, Meta(description="Why it cannot be sent again now; null: a worker would accept it.")]


class RefusedLetter(msgspec.Struct, frozen=True):
    """A letter that nothing was done with, and why."""

    partition: int
    offset: int
    reason: str


class LettersDone(msgspec.Struct, frozen=True):
    """What was done."""

    done: Annotated[int, Meta(description="Letters that were sent again, or discarded.")]
    refused: tuple[RefusedLetter, ...]
