"""The output of `dead-letters`: listings, letters in full, and reports."""

from collections.abc import Collection
from typing import Final

import msgspec

from models.wording import plural
from streamer.kafka.letters import Letter
from streamer.letters.listing import Listing
from streamer.letters.redelivery import Dispatch
from streamer.letters.texts import escape
from streamer.operations.shapes import CountedCause, LetterShown, LettersShown
from streamer.operations.times import when
from streamer.wire.letters import RecordId


def listing_text(listing: Listing) -> str:
    """Format a listing, ending with a newline."""
    letters = listing.letters
    lines = [_HEADING, *map(_line, letters), ""] if letters else []
    lines.append(f"{'cause':17} {'letters':>9} {'sent again':>11}")
    lines += [f"{cause:17} {num:9} {listing.num_sent[cause]:11}" for cause, num in sorted(listing.num_letters.items())]
    lines.append(f"{'all':17} {listing.num_letters.total():9} {listing.num_sent.total():11}")
    if listing.num_foreign:
        others = plural(listing.num_foreign, "other record on the topic is", "other records on the topic are")
        lines.append(f"{others} not from this version of Refrain")
    return "\n".join(lines) + "\n"


def listing_shown(listing: Listing) -> LettersShown:
    """Return what is listed."""
    causes = [CountedCause(cause, num, listing.num_sent[cause]) for cause, num in sorted(listing.num_letters.items())]
    return LettersShown(tuple(map(_shown, listing.letters)), tuple(causes), listing.num_foreign)


def letter_shown(letter: Letter) -> LetterShown:
    """Return a letter in full."""
    return msgspec.structs.replace(_shown(letter), key=_text(letter.key), value=_text(letter.value))


def _text(content: bytes | None) -> str | None:
    return None if content is None else escape(content.decode(errors="backslashreplace"))


def _shown(letter: Letter) -> LetterShown:
    headers = letter.headers
    return LetterShown(
        letter=str(letter.place),
        refused_at_ms=letter.at_ms,
        cause=headers.error,
        reason=headers.reason,
        source=f"{headers.source_partition}:{headers.source_offset}",
        source_topic=headers.source_topic,
        num_bytes=letter.num_bytes,
        sent_again=letter.is_sent,
        times_sent=headers.times_sent,
    )


_HEADING: Final = f"{'letter':13} {'refused at':24} {'cause':17} {'source':20} {'bytes':>8}"


def _line(letter: Letter) -> str:
    headers = letter.headers
    source = escape(f"{headers.source_topic} {headers.source_partition}:{headers.source_offset}")
    line = f"{letter.place!s:13} {when(letter.at_ms)} {headers.error:17} {source:20} {letter.num_bytes:8}"
    if letter.is_sent:
        return f"{line}  sent again"
    return f"{line}  rejected {headers.times_sent + 1} times" if headers.times_sent else line


def describe(letter: Letter) -> str:
    """Format a letter in full, one line per field."""
    fields = {
        "letter": str(letter.place),
        "refused-at": when(letter.at_ms),
        "sent-again": "yes" if letter.is_sent else "no",
        **{name: escape(str(text)) for name, text in msgspec.to_builtins(letter.headers).items()},
        "key": "null" if (key := _text(letter.key)) is None else key,
        "value": "null" if (value := _text(letter.value)) is None else value,
    }
    return "".join(f"{name:17} {text}\n" for name, text in fields.items())


def report(dispatch: Dispatch) -> str:
    """Summarise what happened, or would happen, to the chosen letters."""
    lines = [f"{dispatch.num_sent} sent again, {dispatch.num_sent_before} had been sent before"]
    lines += [f"{num} cannot be sent: {reason}" for reason, num in sorted(dispatch.refused.items())]
    return "\n".join([*lines, *_missing(dispatch.missing)]) + "\n"


def report_discarded(num: int, missing: Collection[RecordId]) -> str:
    """Summarise what happened, or would happen, to the letters chosen to be discarded."""
    return "\n".join([f"{num} discarded", *_missing(missing)]) + "\n"


def _missing(missing: Collection[RecordId]) -> list[str]:
    return [f"no dead letter at {place}" for place in sorted(missing)]
