"""The arguments of a command that reads recorded plays."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.recordings.columns import COLUMN_NAMES, MAX_LEFT_OUT, ColumnChoice
from streamer.runtime.commands import num

if TYPE_CHECKING:
    from streamer.recordings.plays import RecordedPlays

#: What a command can read; `docs/recordings.md` says more.
FILES = "plays in Parquet, CSV, TSV or JSON, also compressed, or a folder or zip archive of such files"


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select among recorded plays, and say how to read them."""
    parser.add_argument("--limit", type=num, help="read only this many plays, the earliest ones")
    for role, names in COLUMN_NAMES.items():
        more = "; in a file without one, the name of its one listener" if role == "user" else ""
        parser.add_argument(
            f"--{role}", metavar="COLUMN", help=f"column of the {role} (default: {', '.join(names)}){more}"
        )
    parser.add_argument(
        "--no-header", action="store_true", help="text whose first line is a row; its columns are 1, 2 and so on"
    )
    parser.add_argument("--time-zone", metavar="ZONE", default="UTC", help="of times without one (%(default)s)")
    parser.add_argument("--encoding", metavar="NAME", help="of text that is not UTF-8, e.g. latin-1")
    parser.add_argument(
        "--max-left-out", metavar="SHARE", type=_share, default=MAX_LEFT_OUT,
        help="refuse a file if more of its rows are no plays (%(default)s)",
    )  # fmt: skip


def read_chosen(arguments: argparse.Namespace) -> "RecordedPlays":
    """Read the plays that a command's arguments select, and say on stderr what was read and what was left out.

    Raises:
        RecordingError: the file cannot be read, or has no plays.
    """
    from streamer.recordings.plays import read_recording

    choice = ColumnChoice(
        **{role: getattr(arguments, role) for role in COLUMN_NAMES},
        has_header=not arguments.no_header,
        time_zone=arguments.time_zone,
        encoding=arguments.encoding,
        max_left_out=arguments.max_left_out,
    )
    recorded, summary = read_recording(arguments.data, choice)
    sys.stderr.writelines(f"{line}\n" for line in summary.lines())
    return recorded.earliest(arguments.limit) if arguments.limit else recorded


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add `data`, a file of recorded plays, and the arguments that say how to read it."""
    parser.add_argument("data", type=Path, help=FILES)
    add_columns(parser)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{share} is not between 0 and 1")
    return share
