"""The arguments of a command that reads recorded plays."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from streamer.errors import RecordingError
from streamer.recordings.columns import COLUMN_NAMES, MAX_LEFT_OUT, ColumnChoice
from streamer.runtime.commands import NUM
from streamer.runtime.progress import progress

if TYPE_CHECKING:
    from streamer.recordings.plays import RecordedPlays

#: What a command can read; `docs/recordings.md` says more.
FILES: Final = "plays in Parquet, CSV, TSV or JSON, also compressed, or a folder or zip archive of such files"

_SHARE: Final = click.FloatRange(0, 1)
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded plays, as the arguments of a command select them.

    Attributes:
        data: a file or folder; None if it was not given.
        limit: read only this many plays, the earliest ones.
        choice: how to read them.
    """

    data: Path | None
    limit: int | None
    choice: ColumnChoice

    @property
    def name(self) -> str:
        """Name the plays after their file or folder."""
        assert self.data is not None
        return self.data.resolve().stem

    def check_exists(self) -> None:
        """Check that there is something to read, for whoever asks Kafka before that: a long file takes minutes.

        Raises:
            RecordingError: there is no such file or folder.
        """
        assert self.data is not None
        try:
            self.data.stat()
        except OSError as exc:
            raise RecordingError(f"{self.data} cannot be read: {exc.strerror}; name a readable file") from exc

    def read(self) -> "RecordedPlays":
        """Read the plays, and say on stderr what was read and what was left out.

        Raises:
            RecordingError: the file cannot be read, or has no plays.
        """
        from streamer.recordings.files import num_bytes_of
        from streamer.recordings.plays import read_recording

        assert self.data is not None
        with progress(f"reads {self.data.name}", num_bytes_of(self.data) / _MB, "MB") as show:
            plays, summary = read_recording(self.data, self.choice, show=lambda num_bytes: show(num_bytes / _MB))
        sys.stderr.writelines(f"{line}\n" for line in summary.lines())
        return plays.earliest(self.limit) if self.limit else plays


def recorded(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command `recording`, plays that it cannot do without, and the options that say how to read them."""
    return click.argument("data", type=click.Path(path_type=Path))(columns(run))


def columns(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which has an argument `data`, a `recording`, and the options that say how to read it."""

    @functools.wraps(run)
    def run_with_recording(*, data: Path | None, limit: int | None, **given: Any) -> None:
        choice = ColumnChoice(
            **{role: given.pop(role) for role in COLUMN_NAMES},
            has_header=not given.pop("no_header"),
            time_zone=given.pop("time_zone"),
            encoding=given.pop("encoding"),
            max_left_out=given.pop("max_left_out"),
        )
        run(recording=Recording(data, limit, choice), **given)

    run_with_recording.__doc__ = f"{inspect.cleandoc(run.__doc__ or '')}\n\nDATA are {FILES}."
    for option in reversed(_options()):
        option(run_with_recording)
    return run_with_recording


def _options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    return [
        click.option("--limit", type=NUM, help="read only this many plays, the earliest ones"),
        *(
            click.option(f"--{role}", metavar="COLUMN", help=f"column of the {role}{_more(role)}")
            for role in COLUMN_NAMES
        ),
        click.option("--no-header", is_flag=True, help="text whose first line is a row; its columns are 1, 2, ..."),
        click.option("--time-zone", metavar="ZONE", default="UTC", show_default=True, help="of times without one"),
        click.option("--encoding", metavar="NAME", help="of text that is not UTF-8, e.g. latin-1"),
        click.option(
            "--max-left-out", metavar="SHARE", type=_SHARE, default=MAX_LEFT_OUT, show_default=True,
            help="refuse a file if more of its rows are no plays",
        ),
    ]  # fmt: skip


def _more(role: str) -> str:
    more = "; in a file without one, the name of its one listener" if role == "user" else ""
    return f"{more}  [default: {', '.join(COLUMN_NAMES[role])}]"
