"""The commands `listener` and `forget`: what Kafka holds of a listener, and its end."""

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click

from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import forgetter_rights, listener_reader_rights
from streamer.operations.shapes import Forgotten, ListenersShown, to_json
from streamer.runtime.commands import Command, json_option, pass_settings
from streamer.runtime.questions import is_confirmed, refuse_unless_asked
from streamer.sections import KAFKA, TOPICS

if TYPE_CHECKING:
    from streamer.settings import Settings

_LIMIT_S: Final = 60.0

_within = click.option("--within", "limit_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
                       default=_LIMIT_S, show_default=True, help="how long to wait")  # fmt: skip


def _check_user(_: click.Context, __: click.Parameter, user: str) -> str:
    from streamer.wire.plays import check_id

    if reason := check_id(user.encode(errors="surrogateescape"), "USER"):
        raise click.BadParameter(f"{reason}, as in plays")
    return user


_user = click.argument("user", callback=_check_user)


@click.command(
    cls=Command,
    examples=["refrain listener u17", "refrain listener u17 --json | jq '.partitions[0].state.plays_seen'"],
    reads=(*KAFKA, *TOPICS, "partitioner"),
)
@_user
@_within
@json_option(ListenersShown)
@pass_settings
def listener(settings: "Settings", *, user: str, limit_s: float, as_json: bool) -> None:
    """Show what Kafka holds of a listener: where they live, state and lists.

    USER is the key of their plays. Changelog and lists are searched from their ends, so those who play are found at
    once. Tracks are kept as hashes: the ids of those that are in the lists or the catalogue are shown, with the names
    that the catalogue gives them, for which all of it is read. Without REFRAIN_PARTITIONER, each partition is looked
    at that one of the usual partitioners would choose.
    """
    from streamer.operations.listener_listing import to_text
    from streamer.operations.listener_state import look_at_listener

    call = look_at_listener(settings, user, limit_s)
    shown = asyncio.run(once_admitted(connection_of(settings), listener_reader_rights(settings), call))
    sys.stdout.write(to_json(shown) if as_json else to_text(shown))


@click.command(
    cls=Command,
    examples=["refrain forget u17", "refrain forget u17 --yes --json"],
    reads=(*KAFKA, "plays_topic", "dead_letter_topic", "partitioner"),
)
@_user
@_within
@click.option("--yes", is_flag=True, help="do not ask")
@json_option(Forgotten)
@pass_settings
def forget(settings: "Settings", *, user: str, limit_s: float, yes: bool, as_json: bool) -> None:
    """Forget a listener, and wait for the receipt of a worker.

    USER is the key of their plays. A null value under that key, on the topic of plays, removes state, lists, letters
    and archived plays. Without REFRAIN_PARTITIONER, one goes to each partition that one of the usual partitioners would
    choose. This cannot be undone. If no worker answers in time, the status is 1, and the next one that runs forgets.
    """
    from streamer.operations.forgetting import forget as forget_now
    from streamer.operations.listener_listing import receipts_text

    if not yes:
        refuse_unless_asked("--yes; `refrain listener` shows what would be removed")
        if not is_confirmed(f"Forget {user!r} for ever?"):
            sys.stdout.write("nothing was changed\n")
            return
    call = forget_now(settings, user, limit_s)
    receipts = asyncio.run(once_admitted(connection_of(settings), forgetter_rights(settings), call))
    sys.stdout.write(to_json(Forgotten(user, tuple(receipts))) if as_json else receipts_text(user, receipts))
