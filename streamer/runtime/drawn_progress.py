"""Progress as a terminal shows it: a bar, which vanishes at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from streamer.runtime.progress import Draw


def is_drawable(output: TextIO) -> bool:
    """Whether a bar can be drawn: not on what moves no cursor."""
    return not Console(file=output).is_dumb_terminal


@contextmanager
def bar_with_end_in_sight(what: str, output: TextIO) -> "Iterator[Draw]":
    """Yield what redraws a bar that also says how long it will take."""
    with _drawn(what, output, TimeRemainingColumn()) as draw:
        yield draw


@contextmanager
def bar_of_steps(output: TextIO) -> "Iterator[Draw]":
    """Yield what redraws a bar whose steps take as long as they take, so it says how long it took so far."""
    with _drawn("", output, TimeElapsedColumn()) as draw:
        yield draw


@contextmanager
def _drawn(what: str, output: TextIO, time: ProgressColumn) -> "Iterator[Draw]":
    says = TextColumn("{task.fields[says]}", markup=False, highlighter=NullHighlighter())
    columns = TextColumn("{task.description}", markup=False), BarColumn(), says, time
    with Progress(*columns, console=Console(file=output), transient=True) as progress:
        task = progress.add_task(what, total=None, says="")

        def draw(done: float, total: float, says: str) -> None:
            progress.update(task, completed=done, total=total, says=says)

        yield draw
