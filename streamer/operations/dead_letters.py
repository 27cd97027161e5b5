"""The command `dead-letters`: its arguments and its output."""

import argparse
import asyncio
import heapq
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
from aiokafka.errors import KafkaConnectionError, KafkaError

from streamer.errors import RefrainError
from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import Right, letter_reader_rights, letter_sender_rights
from streamer.operations.letters import Letter, RecordId, read_letters, survey_letters
from streamer.operations.redelivery import Choice, Dispatch, send_again
from streamer.runtime.commands import Commands
from streamer.settings import Settings
from streamer.wire.messages import Cause

_Result = TypeVar("_Result")

_CAUSES: Final = [cause.value for cause in Cause]
_LIMIT: Final = 100  # letters listed by default: a few screens full

_WHEN_TO_SEND = """
Re-send rejected plays once the cause is fixed: a worker that could not compute them (uncomputable), a broker's or a
producer's clock (impossible-time), REFRAIN_PARTITIONER (stray-partition). A re-sent play counts as played now, after
everything its listener has played since; a null value forgets its listener now. A play that is rejected again becomes a
new letter. Each letter is sent once, however often this command runs; `list` shows which were sent.
"""


class DeadLettersError(RefrainError):
    """Raised when a letter does not exist or Kafka fails; letters already sent have receipts, so run it again."""


def add_dead_letters(commands: Commands) -> None:
    """Add the command `dead-letters`."""
    parser = commands.add_parser("dead-letters", help="list, show and re-send rejected plays")
    actions = parser.add_subparsers(required=True)
    _add_list(actions)
    _add_show(actions)
    _add_send_again(actions)


def _add_list(actions: Commands) -> None:
    parser = actions.add_parser("list", help="list the newest letters, and count all by cause")
    parser.add_argument("--cause", choices=_CAUSES, action="append", default=[], help="only letters with this cause")
    parser.set_defaults(letters=[])
    parser.add_argument(
        "--limit", type=int, default=_LIMIT, help="how many letters to list; all are counted (%(default)s)"
    )

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        sys.stdout.write(
            _wait_for(settings, letter_reader_rights, _list(settings, _choice(arguments), arguments.limit))
        )

    parser.set_defaults(run=run)


def _add_show(actions: Commands) -> None:
    parser = actions.add_parser("show", help="print a letter in full")
    parser.add_argument("letter", type=_place, metavar="PARTITION:OFFSET", help="as printed by `list`")

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        sys.stdout.write(_wait_for(settings, letter_reader_rights, _show(settings, arguments.letter)))

    parser.set_defaults(run=run)


def _add_send_again(actions: Commands) -> None:
    parser = actions.add_parser(
        "send-again", help="re-send letters to the topic of plays, each exactly once", description=_WHEN_TO_SEND
    )
    parser.add_argument("--cause", choices=_CAUSES, action="append", default=[], help="only letters with this cause")
    parser.add_argument("letters", nargs="*", type=_place, metavar="PARTITION:OFFSET", help="only these (default: all)")

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        if arguments.cause and arguments.letters:
            parser.error("choose by --cause or by PARTITION:OFFSET, not both")
        dispatch = _wait_for(settings, letter_sender_rights, send_again(settings, _choice(arguments)))
        sys.stdout.write(report(dispatch))
        if dispatch.refused or dispatch.missing:
            sys.exit(1)

    parser.set_defaults(run=run)


def _place(text: str) -> RecordId:
    try:
        partition, offset = map(int, text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not PARTITION:OFFSET, as printed by `list`") from None
    return RecordId(partition, offset)


def _choice(arguments: argparse.Namespace) -> Choice:
    return Choice([Cause(code) for code in arguments.cause], arguments.letters)


def _wait_for(
    settings: Settings, rights: Callable[[Settings], list[Right]], call: Coroutine[None, None, _Result]
) -> _Result:
    try:
        return asyncio.run(once_admitted(connection_of(settings), rights(settings), call))
    except KafkaConnectionError:
        raise
    except KafkaError as exc:
        raise DeadLettersError(
            f"Kafka failed: {exc}; fix it, make sure no other send-again is running, and run the command again: no "
            "letter is sent twice"
        ) from exc


async def _list(settings: Settings, choice: Choice, limit: int) -> str:
    survey = await survey_letters(settings)
    listing = Listing(limit, survey.num_foreign)
    async with aclosing(read_letters(settings, survey)) as letters:
        async for letter in letters:
            if choice.covers(letter):
                listing.add(letter)
    return listing.to_text()


async def _show(settings: Settings, place: RecordId) -> str:
    survey = await survey_letters(settings)
    async with aclosing(read_letters(settings, survey)) as letters:
        async for letter in letters:
            if letter.place == place:
                return describe(letter)
    raise DeadLettersError(f"no dead letter at {place} of {settings.dead_letter_topic}; `list` shows which exist")


@dataclass(slots=True)
class Listing:
    """The newest letters, one line each, and counts of all letters by cause.

    Args:
        limit: maximum number of letters listed.
        num_foreign: records on the topic that are neither letters nor receipts.
    """

    limit: int
    num_foreign: int
    _newest: list[tuple[int, RecordId, str]] = field(default_factory=list)
    _num_letters: Counter[Cause] = field(default_factory=Counter)
    _num_sent: Counter[Cause] = field(default_factory=Counter)

    def add(self, letter: Letter) -> None:
        """Count a letter, and list it if it is among the newest."""
        self._num_letters[letter.headers.error] += 1
        self._num_sent[letter.headers.error] += letter.is_sent
        heapq.heappush(self._newest, (letter.at_ms, letter.place, _line(letter)))
        if len(self._newest) > self.limit:
            heapq.heappop(self._newest)

    def to_text(self) -> str:
        """Format the listing, ending with a newline."""
        lines = [_HEADING, *(line for *_, line in sorted(self._newest)), ""] if self._newest else []
        lines.append(f"{'cause':17} {'letters':>9} {'sent again':>11}")
        lines += [f"{cause:17} {num:9} {self._num_sent[cause]:11}" for cause, num in sorted(self._num_letters.items())]
        lines.append(f"{'all':17} {self._num_letters.total():9} {self._num_sent.total():11}")
        if self.num_foreign:
            lines.append(f"{self.num_foreign} other records on the topic are not from this version of Refrain")
        return "\n".join(lines) + "\n"


_HEADING: Final = f"{'letter':13} {'refused at':24} {'cause':17} {'source':20} {'bytes':>8}"


def _line(letter: Letter) -> str:
    headers = letter.headers
    source = escape(f"{headers.source_topic} {headers.source_partition}:{headers.source_offset}")
    line = f"{letter.place!s:13} {_time(letter.at_ms)} {headers.error:17} {source:20} {letter.num_bytes:8}"
    return f"{line}  sent again" if letter.is_sent else line


def describe(letter: Letter) -> str:
    """Format a letter in full, one line per field."""
    fields = {
        "letter": str(letter.place),
        "refused-at": _time(letter.at_ms),
        "sent-again": "yes" if letter.is_sent else "no",
        **{name: escape(str(text)) for name, text in msgspec.to_builtins(letter.headers).items()},
        "key": "null" if letter.key is None else escape(letter.key.decode(errors="backslashreplace")),
        "value": "null" if letter.value is None else escape(letter.value.decode(errors="backslashreplace")),
    }
    return "".join(f"{name:17} {text}\n" for name, text in fields.items())


def report(dispatch: Dispatch) -> str:
    """Summarise what happened to the chosen letters."""
    lines = [f"{dispatch.num_sent} sent again, {dispatch.num_sent_before} had been sent before"]
    lines += [f"{num} cannot be sent: {reason}" for reason, num in sorted(dispatch.refused.items())]
    lines += [f"no dead letter at {place}" for place in sorted(dispatch.missing)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Escape unprintable characters as Python literals do: a rejected play may contain terminal codes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _time(at_ms: int) -> str:
    """Format a time as RFC 3339, or as milliseconds if no calendar date represents it."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return f"{at_ms:24}"
