"""Letters as they are shown to whoever asks."""

import base64
from dataclasses import replace
from typing import Any, Final

import msgspec

from streamer.kafka.letters import Letter
from streamer.letters.texts import beginning
from streamer.wire.letters import as_headers
from streamer.wire.views_letters import Encoding, LetterSource, LetterSummary, LetterView, ShownLetter

#: Of a key, and of a value, in a list.
_SHORT_BYTES: Final = 200

_PLAY_KEY: Final = "play-key"


def shorten(letter: Letter) -> Letter:
    """Return a letter with the beginning of its value, and one byte more if it is longer."""
    headers = msgspec.structs.replace(letter.headers, original_size=letter.num_bytes)
    return replace(letter, headers=headers, value=letter.value and letter.value[: _SHORT_BYTES + 1])


def summarise(letter: Letter) -> LetterSummary:
    """Return a letter as it is listed."""
    return LetterSummary(
        **_shown(letter),
        key=None if letter.key is None else beginning(letter.key, _SHORT_BYTES),
        value=None if letter.value is None else beginning(letter.value, _SHORT_BYTES),
    )


def show_letter(letter: Letter, refusal: str | None) -> LetterView:
    """Return a letter in full.

    Args:
        letter: to show.
        refusal: why it cannot be sent again; None if it can.
    """
    headers = letter.headers
    key, key_encoding = _content(letter.key)
    value, value_encoding = _content(letter.value)
    return LetterView(
        **_shown(letter),
        headers={name: text.decode() for name, text in as_headers(headers) if name != _PLAY_KEY},
        key=key,
        key_encoding=key_encoding,
        value=value,
        value_encoding=value_encoding,
        is_cut=headers.is_cut,
        refusal=refusal,
    )


def _shown(letter: Letter) -> dict[str, Any]:
    """Return the fields that `ShownLetter` has."""
    headers = letter.headers
    shown = ShownLetter(
        partition=letter.place.partition,
        offset=letter.place.offset,
        cause=headers.error,
        reason=headers.reason,
        at=letter.at_ms,
        source=LetterSource(headers.source_topic, headers.source_partition, headers.source_offset),
        num_bytes=letter.num_bytes,
        sent_again=letter.is_sent,
        times_sent=headers.times_sent,
    )
    return {name: getattr(shown, name) for name in ShownLetter.__struct_fields__}


def _content(content: bytes | None) -> tuple[str | None, Encoding]:
    """Return text as it is, and other bytes in base64."""
    if content is None:
        return None, "utf-8"
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), "base64"
