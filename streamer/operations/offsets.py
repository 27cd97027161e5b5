"""The commands `offsets show` and `offsets reset`: the offsets of each partition, and a way on if they do not fit."""

import argparse
import asyncio
import sys

from streamer.operations.offset_table import EARLIEST, LATEST, show
from streamer.runtime.commands import Commands
from streamer.settings import Settings


def add_offsets(commands: Commands) -> None:
    """Add `offsets show` and `offsets reset`."""
    parser = commands.add_parser("offsets", help="show the offsets of each partition, and reset those that do not fit")
    actions = parser.add_subparsers(required=True)
    shown = actions.add_parser("show", help="show what topic, states and commit say, and what a reset would do")
    shown.set_defaults(run=lambda settings, _: sys.stdout.write(asyncio.run(show(settings))))
    resetting = actions.add_parser(
        "reset", help="let partitions continue whose topic, states and commit do not fit; stop all workers first"
    )
    resetting.add_argument(
        "--to",
        required=True,
        choices=(EARLIEST, LATEST),
        help="earliest: the first available play that the states do not cover; latest: the next one to arrive",
    )
    resetting.add_argument(
        "--partition",
        dest="partitions",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="reset this partition even if it fits; may be repeated (default: all that do not fit)",
    )
    resetting.set_defaults(run=_reset)


def _reset(settings: Settings, given: argparse.Namespace) -> None:
    from streamer.operations.offset_reset import reset  # noqa: PLC0415  imports numba

    sys.stdout.write(asyncio.run(reset(settings, given.to, given.partitions)))
