"""Listings of letters: the newest ones, and how many there are of each cause."""

import heapq
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec

from streamer.kafka.letters import Letter, read_letters, survey_letters
from streamer.letters.choosing import EVERY_LETTER, Choice, read_all
from streamer.letters.desk import Desk
from streamer.wire.letters import RecordId
from streamer.wire.messages import Cause


class Moment(NamedTuple):
    """When a letter was written, and which one it is: letters are listed in this order."""

    at_ms: int
    place: RecordId


#: After every letter, whatever a clock said.
LATEST: Final = Moment(1 << 63, RecordId(0, 0))


def without_play(letter: Letter) -> Letter:
    """Return a letter whose size is known without its value, which may be large."""
    headers = msgspec.structs.replace(letter.headers, original_size=letter.num_bytes)
    return replace(letter, headers=headers, key=None, value=None)


@dataclass(slots=True)
class Listing:
    """The newest letters, and counts of letters by cause.

    Args:
        limit: maximum number of letters listed.
        before: only letters before it are listed.
        trim: shortens a letter that is listed, so that a listing needs little memory.

    Attributes:
        num_letters: by cause.
        num_sent: those of them that were sent again.
        num_listable: letters that would be listed without the limit.
        num_foreign: records on the topic that are neither letters nor receipts.
        num_looked_at: records that were looked at.
        num_before: offsets of older records, which were not.
    """

    limit: int
    before: Moment = LATEST
    trim: Callable[[Letter], Letter] = without_play
    num_letters: Counter[Cause] = field(default_factory=Counter)
    num_sent: Counter[Cause] = field(default_factory=Counter)
    num_listable: int = 0
    num_foreign: int = 0
    num_looked_at: int = 0
    num_before: int = 0
    _newest: list[tuple[Moment, Letter]] = field(default_factory=list)

    @property
    def letters(self) -> list[Letter]:
        """The newest letters, oldest first."""
        return [letter for _, letter in sorted(self._newest, key=lambda each: each[0])]

    def count(self, letter: Letter) -> None:
        """Count a letter."""
        self.num_letters[letter.headers.error] += 1
        self.num_sent[letter.headers.error] += letter.is_sent

    def add(self, letter: Letter) -> None:
        """List a letter if it is among the newest."""
        if (moment := moment_of(letter)) >= self.before:
            return
        self.num_listable += 1
        heapq.heappush(self._newest, (moment, self.trim(letter)))
        if len(self._newest) > self.limit:
            heapq.heappop(self._newest)


def moment_of(letter: Letter) -> Moment:
    """Return the place of a letter among the others."""
    return Moment(letter.at_ms, letter.place)


async def list_letters(desk: Desk, listing: Listing, *, listed: Choice, counted: Choice = EVERY_LETTER) -> Listing:
    """Fill a listing with the letters that are on the topic now.

    Args:
        desk: of the deployment.
        listing: an empty one.
        listed: the letters that may be listed.
        counted: the letters that are counted.

    Raises:
        ContractError: the topic does not exist.
    """
    survey = await survey_letters(desk.connection, desk.dead_letter_topic, desk.extent)
    listing.num_foreign, listing.num_looked_at = survey.num_foreign, survey.num_records
    listing.num_before = survey.num_before
    async with aclosing(read_letters(desk.connection, survey)) as letters:
        async for letter in letters:
            if counted.covers(letter):
                listing.count(letter)
            if listed.covers(letter):
                listing.add(letter)
    return listing


async def find_letter(desk: Desk, place: RecordId) -> Letter | None:
    """Return the letter at a place; None if there is none, or it is gone.

    Raises:
        ContractError: the topic does not exist.
        TooFarBackError: it is further back than the desk reads.
    """
    async with aclosing(read_all(desk)) as letters:
        async for letter in letters:
            if letter.place == place:
                return letter
    return None
