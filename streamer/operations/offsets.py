"""The commands `offsets show` and `offsets reset`: the offsets of each partition, and a way on if they do not fit."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from streamer.operations.offset_table import EARLIEST, LATEST, show
from streamer.runtime.commands import Group, pass_settings
from streamer.sections import KAFKA, NEW_TOPICS, TOPICS

if TYPE_CHECKING:
    from streamer.settings import Settings

_READS: Final = (*KAFKA, *TOPICS, "replication")


@click.group(cls=Group)
def offsets() -> None:
    """Show the offsets of each partition, and reset those that do not fit."""


@offsets.command("show", examples=["refrain offsets show"], reads=_READS)
@pass_settings
def _show(settings: "Settings") -> None:
    """Show what topic, states and commit say, and what a reset would do."""
    sys.stdout.write(asyncio.run(show(settings)))


@offsets.command(
    "reset",
    examples=["refrain offsets reset --to earliest", "refrain offsets reset --to latest --partition 3"],
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
@pass_settings
def _reset(settings: "Settings", *, to: str, partitions: Sequence[int]) -> None:
    """Let partitions continue whose topic, states and commit do not fit.

    Stop all workers first. `show` says how many plays a reset skips, or applies again.
    """
    from streamer.operations.offset_reset import reset  # imports numba

    sys.stdout.write(asyncio.run(reset(settings, to, partitions)))
