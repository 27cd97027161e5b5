"""Words by which tracks are found: without case or accents, of any script."""

import re
import unicodedata
from typing import Final

from streamer.wire.catalogue import TrackRecord

_WORD: Final = re.compile(r"\w+")
_MAX_CHARACTERS: Final = 24
_MAX_WORDS: Final = 16  # of a track: it is found by the first ones


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text, in their order."""
    plain = text if text.isascii() else _without_accents(text)
    return list(dict.fromkeys(word[:_MAX_CHARACTERS] for word in _WORD.findall(plain.casefold())))


def words_of_record(record: TrackRecord) -> list[str]:
    """Return the words of title and artists."""
    return words_of(" ".join((record.title or "", *record.artists)))[:_MAX_WORDS]


def _without_accents(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
