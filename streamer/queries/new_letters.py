"""New letters: the dead letters that workers wrote a moment ago, each of which whoever follows is told once.

A worker names a letter for some seconds, so that one who could not ask it for a moment still hears of it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from streamer.wire.views_letters import LetterSummary

#: Seconds for which a worker names a letter that it wrote.
NAMED_S: Final = 5.0

#: Letters that are told at once, the newest of all workers.
MOST_TOLD: Final = 50

#: Looks, one a second, for which a letter that nobody names any more is remembered: longer than it may be named.
_REMEMBERED: Final = 10


class NewLetters:
    """Picks the letters that have not been told, of those that are named again and again."""

    def __init__(self) -> None:
        self._looks_ago: dict[tuple[int, int], int] = {}  # by partition and offset

    def pick(self, named: Iterable[LetterSummary]) -> Sequence[LetterSummary]:
        """Return the newest letters that were not named in an earlier look, oldest first."""
        letters = {(letter.partition, letter.offset): letter for letter in named}
        new = [letter for place, letter in letters.items() if place not in self._looks_ago]
        remembered = {place: looks + 1 for place, looks in self._looks_ago.items() if looks < _REMEMBERED}
        self._looks_ago = remembered | dict.fromkeys(letters, 0)
        return sorted(new, key=lambda letter: (letter.at, letter.partition, letter.offset))[-MOST_TOLD:]
