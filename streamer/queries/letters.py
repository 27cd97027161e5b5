"""Questions about dead letters: which there are, one of them in full, sending them again, and discarding them.

A question reads the newest records of the topic alone: counts and lists say so if there are older ones. What was done
with a letter is behind it in its partition, so that all of that is read where letters are named.
"""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from models.wording import plural
from streamer.errors import Code, QueryError, RefrainError
from streamer.kafka.consumers import Rests
from streamer.kafka.extent import Extent, TooFarBackError
from streamer.kafka.letters import count_partitions
from streamer.kafka.rights import Right as KafkaRight
from streamer.letters.choosing import EVERY_LETTER, Choice, Selection
from streamer.letters.desk import Desk
from streamer.letters.discarding import discard_letters, preview_discard
from streamer.letters.listing import LATEST, Listing, Moment, find_letter, list_letters, moment_of
from streamer.letters.redelivery import create_dispatch, send_again
from streamer.queries.errands import Act, Errands, explaining
from streamer.queries.letter_views import shorten, show_letter, summarise
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.letters import RecordId
from streamer.wire.views_letters import (
    LetterPlace,
    LettersDone,
    LettersNamed,
    LettersQuestion,
    LettersToDiscard,
    LettersView,
    LetterView,
    RefusedLetter,
)

#: Records that a list looks at, and that are read at most where letters are named: half a second, and two.
_LISTED: Final = 5_000
_NAMED: Final = 20_000

#: A reader holds the interpreter's lock for half a millisecond, and leaves it for another.
_RESTS: Final = Rests(num_records=20, pause_s=0.0005)

_ACT_S: Final = 30.0

_NOT_THERE: Final = "no dead letter is there"
_GONE: Final = f"{_NOT_THERE}; it was discarded, superseded, or its listener forgotten"

_CODES: Final[Mapping[type[RefrainError], Code]] = {TooFarBackError: "conflict"}

_Act: TypeAlias = Callable[[], Coroutine[Any, Any, LettersDone]]


@dataclass(frozen=True, slots=True)
class LetterRights:
    """What each question about letters takes on Kafka, beside what a worker needs."""

    look: Sequence[KafkaRight]
    send: Sequence[KafkaRight]
    discard: Sequence[KafkaRight]


@dataclass(frozen=True, slots=True)
class LetterQueries:
    """Answers questions about dead letters.

    Attributes:
        desk: of the deployment.
        errands: run what is asked.
        rights: that it takes.
    """

    desk: Desk
    errands: Errands
    rights: LetterRights

    async def list_newest(self, asked: Asked[LettersQuestion]) -> LettersView:
        """List the newest letters, and count all by cause."""
        question = asked.question
        desk = replace(self.desk, extent=Extent(_LISTED, rests=_RESTS))
        listed = EVERY_LETTER if question.cause is None else Choice([question.cause])
        listing = Listing(question.limit, _read_moment(question.before), shorten)
        await self.errands.look(self.rights.look, lambda: list_letters(desk, listing, listed=listed))
        letters = listing.letters[::-1]
        is_last = listing.num_listable <= question.limit
        return LettersView(
            causes={str(cause): num for cause, num in sorted(listing.num_letters.items())},
            letters=tuple(map(summarise, letters)),
            next=None if is_last else _write_moment(moment_of(letters[-1])),
            looked_at=listing.num_looked_at,
            is_whole=not listing.num_before,
            foreign=listing.num_foreign,
        )

    async def show(self, asked: Asked[LetterPlace]) -> LetterView:
        """Show a letter in full."""
        place = RecordId(asked.question.partition, asked.question.offset)
        desk = self._desk_for([place])

        async def show() -> LetterView:
            num_partitions = await count_partitions(desk.connection, desk.dead_letter_topic)
            can_be = place.partition < num_partitions  # else nothing need be read
            if not can_be or (letter := await find_letter(desk, place)) is None:
                raise QueryError("not_found", f"{place}: {_why_missing(place, num_partitions)}")
            dispatch = await create_dispatch(desk, Choice(places=[place]))
            dispatch.admits(letter)
            return show_letter(letter, dispatch.reasons.get(place))

        return await self.errands.look(self.rights.look, lambda: explaining(_CODES, show()))

    async def send_again(self, asked: Asked[LettersNamed]) -> LettersDone:
        """Send letters again, each exactly once, as the command does."""
        choice = _choice(asked.question.letters)
        desk = self._desk_for(choice.places)

        async def send() -> LettersDone:
            num_partitions = await count_partitions(desk.connection, desk.dead_letter_topic)
            dispatch = await send_again(desk, choice)
            return _done(dispatch.num_sent, dispatch, num_partitions)

        return await self._act("send-again", choice, asked, self.rights.send, send)

    async def discard(self, asked: Asked[LettersToDiscard]) -> LettersDone:
        """Discard letters for ever, as the command does, which asks first."""
        choice = _choice(asked.question.letters)
        desk = self._desk_for(choice.places)

        async def discard() -> LettersDone:
            if not asked.question.confirm:
                num = (await preview_discard(desk, choice)).num_discarded
                raise QueryError(
                    "conflict",
                    f"{plural(num, 'letter')} would be discarded for ever; ask again with `confirm`: true to do that",
                )
            num_partitions = await count_partitions(desk.connection, desk.dead_letter_topic)
            disposal = await discard_letters(desk, choice)
            return _done(disposal.num_discarded, disposal, num_partitions)

        return await self._act("discard", choice, asked, self.rights.discard, discard)

    def _desk_for(self, places: Collection[RecordId]) -> Desk:
        return replace(self.desk, extent=Extent(_NAMED, places, _RESTS))

    async def _act(
        self, what: str, choice: Choice, asked: Asked[Any], rights: Sequence[KafkaRight], call: _Act
    ) -> LettersDone:
        act = Act("letters", what, ",".join(map(str, choice.places)), rights, _ACT_S)
        return await self.errands.act(act, asked.request, lambda: explaining(_CODES, call()), _say)


def letter_routes(queries: LetterQueries) -> list[Route]:
    """Return the routes of questions about dead letters."""
    of = "/api/v1/dead-letters"
    return [
        Route("GET", of, Right.READ, "The newest dead letters, and how many there are of each cause.",
              queries.list_newest, question=LettersQuestion, answers=LettersView),
        Route("GET", f"{of}/{{partition}}/{{offset}}", Right.READ, "A dead letter in full.",
              queries.show, question=LetterPlace, answers=LetterView),
        Route("POST", f"{of}/send-again", Right.ACT, "Send dead letters to the topic of plays again, each once.",
              queries.send_again, question=LettersNamed, answers=LettersDone),
        Route("POST", f"{of}/discard", Right.ACT, "Discard dead letters for ever.",
              queries.discard, question=LettersToDiscard, answers=LettersDone),
    ]  # fmt: skip


def _choice(letters: Sequence[LetterPlace]) -> Choice:
    return Choice(places=tuple(dict.fromkeys(RecordId(each.partition, each.offset) for each in letters)))


def _done(num: int, selection: Selection, num_partitions: int) -> LettersDone:
    """Say what was done with letters that were named, and why nothing was done with the others."""
    missing = {place: _why_missing(place, num_partitions) for place in selection.missing}
    reasons = {**selection.reasons, **missing}
    refused = (RefusedLetter(*place, reason) for place, reason in sorted(reasons.items()))
    return LettersDone(num, tuple(refused))


def _why_missing(place: RecordId, num_partitions: int) -> str:
    if place.partition < num_partitions:
        return _GONE
    return f"{_NOT_THERE}; the topic has {plural(num_partitions, 'partition')}, from 0 on"


def _say(done: LettersDone) -> str:
    return f"{done.done} done, {len(done.refused)} refused"


def _read_moment(text: str | None) -> Moment:
    if text is None:
        return LATEST
    at_ms, partition, offset = map(int, text.split(":"))
    return Moment(at_ms, RecordId(partition, offset))


def _write_moment(moment: Moment) -> str:
    return f"{moment.at_ms}:{moment.place}"
