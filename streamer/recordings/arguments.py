"""The arguments of a command that reads recorded plays."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.recordings.columns import COLUMN_NAMES, ColumnChoice

if TYPE_CHECKING:
    from streamer.recordings.plays import RecordedPlays


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Let a command that has recorded plays as `data` choose among them, and name their columns."""
    parser.add_argument("--limit", type=num, help="only so many plays, the first in time")
    for role, names in COLUMN_NAMES.items():
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"column of the {role} (default: {', '.join(names)})")


def read_chosen(arguments: argparse.Namespace) -> "RecordedPlays":
    """Read the plays that a command's arguments choose.

    Raises:
        RecordingError: there are none, or they cannot be read.
    """
    from streamer.recordings.plays import read_plays

    columns = ColumnChoice(**{role: getattr(arguments, role) for role in COLUMN_NAMES})
    listening = read_plays(arguments.data, columns)
    return listening.earliest(arguments.limit) if arguments.limit else listening


def num(text: str) -> int:
    """Read an argument that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Let a command read recorded plays, which it finds as `data`."""
    parser.add_argument("data", type=Path, help="Parquet or CSV file of plays, or a folder with events.parquet")
    add_columns(parser)
