"""The command `dead-letters`: its arguments, and how it runs them."""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from aiokafka.errors import KafkaConnectionError, KafkaError

from models.wording import plural
from streamer.errors import RefrainError
from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.erasure import Eraser
from streamer.kafka.rights import Right, letter_reader_rights, letter_remover_rights, letter_sender_rights
from streamer.letters.choosing import EVERY_LETTER, Choice
from streamer.letters.desk import desk_of
from streamer.letters.discarding import Disposal, discard_letters, preview_discard
from streamer.letters.listing import Listing, find_letter, list_letters
from streamer.letters.redelivery import preview, send_again
from streamer.operations.letter_listing import (
    describe,
    letter_shown,
    listing_shown,
    listing_text,
    report,
    report_discarded,
)
from streamer.operations.shapes import LetterShown, LettersShown, to_json
from streamer.runtime.commands import NUM, Group, json_option, pass_settings
from streamer.runtime.progress import progress
from streamer.runtime.questions import is_confirmed, refuse_unless_asked
from streamer.sections import KAFKA
from streamer.wire.letters import RecordId
from streamer.wire.messages import Cause

if TYPE_CHECKING:
    from streamer.settings import Settings

_Result = TypeVar("_Result")

_CAUSES: Final = [cause.value for cause in Cause]
_LIMIT: Final = 100  # letters listed by default: a few screens full

_NOTHING: Final = "nothing was changed; this would be:\n"


class DeadLettersError(RefrainError):
    """Raised when a letter does not exist or Kafka fails; letters already sent have receipts, so run it again."""


_READS: Final = (*KAFKA, "dead_letter_topic")
_CHANGES: Final = (*_READS, "app_id", "plays_topic", "transaction_timeout_s")


class _Place(click.ParamType):
    """The place of a letter."""

    name = "partition:offset"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> RecordId:
        try:
            return RecordId.parse(value)
        except ValueError:
            self.fail(f"{value!r} is not PARTITION:OFFSET, as printed by `list`", param, ctx)


_by_cause = click.option("--cause", "causes", type=click.Choice(_CAUSES), multiple=True, metavar="CAUSE",
                         help=f"letters with this cause, one of {', '.join(_CAUSES)}; may be repeated")  # fmt: skip


def _chosen(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command `choice`, and the arguments of which exactly one kind must be given."""

    @functools.wraps(run)
    def run_with_choice(*, causes: Sequence[str], every: bool, letters: Sequence[RecordId], **given: Any) -> None:
        if sum(map(bool, (causes, letters, every))) != 1:
            raise click.UsageError(
                "choose letters by one of --cause CAUSE, PARTITION:OFFSET ... or --all; `list` shows them",
                click.get_current_context(),
            )
        choice = EVERY_LETTER if every else Choice([Cause(code) for code in causes], letters)
        run(choice=choice, **given)

    by_all = click.option("--all", "every", is_flag=True, help="every letter")
    by_place = click.argument("letters", nargs=-1, type=_Place(), metavar="[PARTITION:OFFSET ...]")
    return _by_cause(by_all(by_place(run_with_choice)))


@click.group("dead-letters", cls=Group)
def dead_letters() -> None:
    """List, show, re-send and discard rejected plays."""


@dead_letters.command("list", examples=["refrain dead-letters list --cause not-json --limit 20"], reads=_READS)
@_by_cause
@click.option("--limit", type=NUM, default=_LIMIT, show_default=True, help="how many letters to list; all are counted")
@json_option(LettersShown)
@pass_settings
def _list_command(settings: "Settings", *, causes: Sequence[str], limit: int, as_json: bool) -> None:
    """List the newest letters, and count all by cause."""
    choice = Choice([Cause(code) for code in causes]) if causes else EVERY_LETTER
    call = list_letters(desk_of(settings), Listing(limit), listed=choice, counted=choice)
    listing = _wait_for(settings, letter_reader_rights, call)
    sys.stdout.write(to_json(listing_shown(listing)) if as_json else listing_text(listing))


@dead_letters.command("show", examples=["refrain dead-letters show 3:17"], reads=_READS)
@click.argument("letter", type=_Place(), metavar="PARTITION:OFFSET")
@json_option(LetterShown)
@pass_settings
def _show_command(settings: "Settings", *, letter: RecordId, as_json: bool) -> None:
    """Print a letter in full.

    PARTITION:OFFSET is as printed by `list`.
    """
    found = _wait_for(settings, letter_reader_rights, find_letter(desk_of(settings), letter))
    if found is None:
        raise DeadLettersError(f"no dead letter at {letter} of {settings.dead_letter_topic}; `list` shows which exist")
    sys.stdout.write(to_json(letter_shown(found)) if as_json else describe(found))


@dead_letters.command(
    "send-again",
    examples=["refrain dead-letters send-again --cause uncomputable --dry-run", "refrain dead-letters send-again 3:17"],
    reads=(*_CHANGES, "partitioner"),
)
@_chosen
@click.option("--dry-run", is_flag=True, help="say what would be sent, and send nothing")
@pass_settings
def _send_again(settings: "Settings", *, choice: Choice, dry_run: bool) -> None:
    """Re-send letters to the topic of plays, each exactly once.

    Re-send rejected plays once the cause is fixed: a worker that could not compute them (uncomputable), a broker's or a
    producer's clock (impossible-time), REFRAIN_PARTITIONER (stray-partition). A re-sent play counts as played now,
    after everything its listener has played since; a null value forgets its listener now. Plays that a worker would
    reject again as they are, are counted and not sent. One that is rejected again all the same becomes a letter that
    replaces this one in `list`. Each letter is sent once, however often this command runs; `list` shows which were
    sent.
    """
    desk = desk_of(settings)
    call = preview(desk, choice, _watch) if dry_run else send_again(desk, choice, _watch)
    dispatch = _wait_for(settings, letter_sender_rights, call)
    sys.stdout.write((_NOTHING if dry_run else "") + report(dispatch))
    if dispatch.refused or dispatch.missing:
        sys.exit(1)


@dead_letters.command(
    "discard",
    examples=["refrain dead-letters discard --cause not-json --dry-run", "refrain dead-letters discard 3:17 --yes"],
    reads=_CHANGES,
)
@_chosen
@click.option("--dry-run", is_flag=True, help="say what would be discarded, and discard nothing")
@click.option("--yes", is_flag=True, help="do not ask")
@pass_settings
def _discard(settings: "Settings", *, choice: Choice, dry_run: bool, yes: bool) -> None:
    """Remove letters that nobody will mend.

    They are listed, counted and sent no more, and their bytes leave the topic when Kafka compacts it. This cannot be
    undone.
    """
    if not (dry_run or yes):
        refuse_unless_asked("--yes, or --dry-run to see what would be discarded")
    desk = desk_of(settings)
    disposal = _wait_for(settings, letter_remover_rights, preview_discard(desk, choice, _watch))
    if not dry_run and (yes or _is_confirmed(disposal)):
        disposal = _wait_for(settings, letter_remover_rights, discard_letters(desk, choice, _watch))
        sys.stdout.write(report_discarded(disposal.num_discarded, disposal.missing))
    else:
        sys.stdout.write(_NOTHING + report_discarded(disposal.num_discarded, disposal.missing))
    if disposal.missing:
        sys.exit(1)


@dead_letters.command("erase-forgotten", examples=["refrain dead-letters erase-forgotten"], reads=(*_READS, "app_id"))
@pass_settings
def _erase_command(settings: "Settings") -> None:
    """Remove the letters of forgotten listeners.

    A running trainer does this by itself, within a minute of a worker's applying a tombstone. Run it by hand where no
    trainer runs. It may be interrupted and repeated.
    """
    sys.stdout.write(_wait_for(settings, letter_remover_rights, _erase(settings)))


def _watch(num_records: int) -> AbstractContextManager[Callable[[int], None]]:
    return progress("letters", num_records, "records of them")


def _is_confirmed(disposal: Disposal) -> bool:
    return bool(disposal.num_discarded) and is_confirmed(
        f"Discard {plural(disposal.num_discarded, 'letter')} for ever?"
    )


def _wait_for(
    settings: "Settings", rights: Callable[["Settings"], list[Right]], call: Coroutine[None, None, _Result]
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


async def _erase(settings: "Settings") -> str:
    eraser = Eraser(connection_of(settings), settings.dead_letter_topic)
    num_requests, num_letters = 0, 0
    while (erasure := await eraser.erase()).num_requests:
        num_requests += erasure.num_requests
        num_letters += erasure.num_letters
    return f"{plural(num_requests, 'tombstone')} served, {plural(num_letters, 'letter')} removed\n"
