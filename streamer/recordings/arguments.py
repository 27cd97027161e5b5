"""The arguments of a command that reads recorded plays."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.recordings.columns import COLUMN_NAMES, ColumnChoice

if TYPE_CHECKING:
    from streamer.recordings.plays import RecordedPlays


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select among recorded plays, and name their columns."""
    parser.add_argument("--limit", type=num, help="read only this many plays, the earliest ones")
    for role, names in COLUMN_NAMES.items():
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"column of the {role} (default: {', '.join(names)})")


def read_chosen(arguments: argparse.Namespace) -> "RecordedPlays":
    """Read the plays that a command's arguments select.

    Raises:
        RecordingError: the file cannot be read, or has no plays.
    """
    from streamer.recordings.plays import read_plays

    columns = ColumnChoice(**{role: getattr(arguments, role) for role in COLUMN_NAMES})
    recorded = read_plays(arguments.data, columns)
    return recorded.earliest(arguments.limit) if arguments.limit else recorded


def num(text: str) -> int:
    """Parse an argument that is a positive count."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add `data`, a file of recorded plays, and the arguments that select among them."""
    parser.add_argument("data", type=Path, help="Parquet or CSV file of plays, or a folder with events.parquet")
    add_columns(parser)
