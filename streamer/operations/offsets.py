"""The commands `offsets show` and `offsets reset`: the offsets of each partition, and a way on if they do not fit."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from streamer.operations.offset_table import EARLIEST, LATEST, offsets_shown, show
from streamer.operations.shapes import OffsetsShown, to_json
from streamer.runtime.commands import Group, json_option, pass_settings
from streamer.runtime.questions import is_confirmed, refuse_unless_asked
from streamer.sections import KAFKA, NEW_TOPICS, TOPICS

if TYPE_CHECKING:
    from streamer.settings import Settings

_READS: Final = (*KAFKA, *TOPICS, "replication")


@click.group(cls=Group)
def offsets() -> None:
    """Show the offsets of each partition, and reset those that do not fit."""


@offsets.command("show", examples=["refrain offsets show"], reads=_READS)
@json_option(OffsetsShown)
@pass_settings
def _show(settings: "Settings", *, as_json: bool) -> None:
    """Show what topic, states and commit say, and what a reset would do."""
    sys.stdout.write(to_json(asyncio.run(offsets_shown(settings))) if as_json else asyncio.run(show(settings)))


@offsets.command(
    "reset",
    examples=["refrain offsets reset --to earliest", "refrain offsets reset --to latest --partition 3 --yes"],
    reads=(*_READS, *NEW_TOPICS, "session_timeout_s", "transaction_timeout_s"),
)
@click.option(
    "--to",
    required=True,
    type=click.Choice([EARLIEST, LATEST]),
    help="earliest: the first available play that the states do not cover; latest: the next one to arrive",
)
@click.option(
    "--partition",
    "partitions",
    type=int,
    multiple=True,
    metavar="N",
    help="reset this partition even if it fits; may be repeated  [default: all that do not fit]",
)
@click.option("--yes", is_flag=True, help="do not ask")
@pass_settings
def _reset(settings: "Settings", *, to: str, partitions: Sequence[int], yes: bool) -> None:
    """Let partitions continue whose topic, states and commit do not fit.

    Stop all workers first. `show` says how many plays a reset skips, or applies again: this cannot be undone.
    """
    from streamer.operations.offset_reset import reset  # imports numba

    if not yes:
        refuse_unless_asked("--yes; `refrain offsets show` says what would happen")
        sys.stdout.write(asyncio.run(show(settings)))
        which = f"partitions {', '.join(map(str, partitions))}" if partitions else "the partitions that do not fit"
        if not is_confirmed(f"Continue {which} with the {to} play?"):
            sys.stdout.write("nothing was changed\n")
            return
    sys.stdout.write(asyncio.run(reset(settings, to, partitions)))
