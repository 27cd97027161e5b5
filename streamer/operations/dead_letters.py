"""The command `dead-letters`: its arguments, and how it runs them."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Final, TypeVar

from aiokafka.errors import KafkaConnectionError, KafkaError

from streamer.errors import RefrainError
from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.erasure import Eraser
from streamer.kafka.letters import read_letters, survey_letters
from streamer.kafka.rights import Right, letter_reader_rights, letter_remover_rights, letter_sender_rights
from streamer.operations.choosing import EVERY_LETTER, Choice
from streamer.operations.discarding import Disposal, discard_letters, preview_discard
from streamer.operations.letter_listing import Listing, describe, report, report_discarded
from streamer.operations.redelivery import preview, send_again
from streamer.runtime.commands import Commands, num
from streamer.settings import Settings
from streamer.wire.letters import RecordId
from streamer.wire.messages import Cause

_Result = TypeVar("_Result")

_CAUSES: Final = [cause.value for cause in Cause]
_LIMIT: Final = 100  # letters listed by default: a few screens full

_WHEN_TO_SEND = """
Re-send rejected plays once the cause is fixed: a worker that could not compute them (uncomputable), a broker's or a
producer's clock (impossible-time), REFRAIN_PARTITIONER (stray-partition). A re-sent play counts as played now, after
everything its listener has played since; a null value forgets its listener now. Plays that a worker would reject again
as they are, are counted and not sent. One that is rejected again all the same becomes a letter that replaces this one
in `list`. Each letter is sent once, however often this command runs; `list` shows which were sent.
"""
_WHEN_TO_DISCARD = """
Discard letters that nobody will mend: they are listed, counted and sent no more, and their bytes leave the topic when
Kafka compacts it. This cannot be undone.
"""
_WHEN_TO_ERASE = """
A running trainer does this by itself, within a minute of a worker's applying a tombstone. Run it by hand where no
trainer runs. It may be interrupted and repeated.
"""


class DeadLettersError(RefrainError):
    """Raised when a letter does not exist or Kafka fails; letters already sent have receipts, so run it again."""


def add_dead_letters(commands: Commands) -> None:
    """Add the command `dead-letters`."""
    parser = commands.add_parser("dead-letters", help="list, show, re-send and discard rejected plays")
    actions = parser.add_subparsers(required=True)
    _add_list(actions)
    _add_show(actions)
    _add_send_again(actions)
    _add_discard(actions)
    _add_erase(actions)


def _add_list(actions: Commands) -> None:
    parser = actions.add_parser("list", help="list the newest letters, and count all by cause")
    parser.add_argument("--cause", choices=_CAUSES, action="append", default=[], help="only letters with this cause")
    parser.add_argument(
        "--limit", type=num, default=_LIMIT, help="how many letters to list; all are counted (%(default)s)"
    )

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        choice = Choice([Cause(code) for code in arguments.cause]) if arguments.cause else EVERY_LETTER
        sys.stdout.write(_wait_for(settings, letter_reader_rights, _list(settings, choice, arguments.limit)))

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
    _add_choice(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        choice = _choice(parser, arguments)
        call = preview(settings, choice) if arguments.dry_run else send_again(settings, choice)
        dispatch = _wait_for(settings, letter_sender_rights, call)
        sys.stdout.write(_would(arguments) + report(dispatch))
        if dispatch.refused or dispatch.missing:
            sys.exit(1)

    parser.set_defaults(run=run)


def _add_discard(actions: Commands) -> None:
    parser = actions.add_parser("discard", help="remove letters that nobody will mend", description=_WHEN_TO_DISCARD)
    _add_choice(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be discarded, and discard nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")

    def run(settings: Settings, arguments: argparse.Namespace) -> None:
        choice = _choice(parser, arguments)
        if not (arguments.dry_run or arguments.yes or sys.stdin.isatty()):
            parser.error("nobody is there to ask: add --yes, or --dry-run to see what would be discarded")
        disposal = _wait_for(settings, letter_remover_rights, preview_discard(settings, choice))
        if not arguments.dry_run and (arguments.yes or _is_confirmed(disposal)):
            disposal = _wait_for(settings, letter_remover_rights, discard_letters(settings, choice))
            sys.stdout.write(report_discarded(disposal.num_discarded, disposal.missing))
        else:
            sys.stdout.write("nothing was changed; this would be:\n")
            sys.stdout.write(report_discarded(disposal.num_discarded, disposal.missing))
        if disposal.missing:
            sys.exit(1)

    parser.set_defaults(run=run)


def _add_erase(actions: Commands) -> None:
    parser = actions.add_parser(
        "erase-forgotten", help="remove the letters of forgotten listeners", description=_WHEN_TO_ERASE
    )

    def run(settings: Settings, _: argparse.Namespace) -> None:
        sys.stdout.write(_wait_for(settings, letter_remover_rights, _erase(settings)))

    parser.set_defaults(run=run)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of which exactly one kind must be given."""
    parser.add_argument("--cause", choices=_CAUSES, action="append", default=[], help="letters with this cause")
    parser.add_argument("--all", action="store_true", help="every letter")
    parser.add_argument("letters", nargs="*", type=_place, metavar="PARTITION:OFFSET", help="as printed by `list`")


def _choice(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Choice:
    num_kinds = sum(map(bool, (arguments.cause, arguments.letters, arguments.all)))
    if num_kinds != 1:
        parser.error("choose letters by one of --cause CAUSE, PARTITION:OFFSET ... or --all; `list` shows them")
    return EVERY_LETTER if arguments.all else Choice([Cause(code) for code in arguments.cause], arguments.letters)


def _place(text: str) -> RecordId:
    try:
        return RecordId.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not PARTITION:OFFSET, as printed by `list`") from None


def _would(arguments: argparse.Namespace) -> str:
    return "nothing was changed; this would be:\n" if arguments.dry_run else ""


def _is_confirmed(disposal: Disposal) -> bool:
    """Ask on the terminal whether to discard what was found."""
    if not disposal.num_discarded:
        return False
    sys.stdout.write(f"Discard {disposal.num_discarded} letters for ever? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _wait_for(
    settings: Settings, rights: Callable[[Settings], list[Right]], call: Coroutine[None, None, _Result]
) -> _Result:
    try:
        return asyncio.run(once_admitted(connection_of(settings), rights(settings), call))
    except KafkaConnectionError:
        raise
    except KafkaError as exc:
        raise DeadLettersError(
            f"Kafka failed: {exc}; fix it, make sure no other send-again or discard is running, and run the command "
            "again: no letter is sent twice"
        ) from exc


async def _list(settings: Settings, choice: Choice, limit: int) -> str:
    connection = connection_of(settings)
    survey = await survey_letters(connection, settings.dead_letter_topic)
    listing = Listing(limit, survey.num_foreign)
    async with aclosing(read_letters(connection, survey)) as letters:
        async for letter in letters:
            if choice.covers(letter):
                listing.add(letter)
    return listing.to_text()


async def _show(settings: Settings, place: RecordId) -> str:
    connection = connection_of(settings)
    survey = await survey_letters(connection, settings.dead_letter_topic)
    async with aclosing(read_letters(connection, survey)) as letters:
        async for letter in letters:
            if letter.place == place:
                return describe(letter)
    raise DeadLettersError(f"no dead letter at {place} of {settings.dead_letter_topic}; `list` shows which exist")


async def _erase(settings: Settings) -> str:
    eraser = Eraser(connection_of(settings), settings.dead_letter_topic)
    num_requests, num_letters = 0, 0
    while (erasure := await eraser.erase()).num_requests:
        num_requests += erasure.num_requests
        num_letters += erasure.num_letters
    return f"{num_requests} tombstones served, {num_letters} letters removed\n"
