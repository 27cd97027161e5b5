"""How far a list of long steps has come: a bar on a terminal, lines elsewhere; both on stderr."""

from collections.abc import Collection, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def watch(steps: Collection[str], console: Console | None = None) -> Iterator[str]:
    """Yield the names of some steps, each when it is to be taken.

    Args:
        steps: their names, in order.
        console: where to show them; None: stderr.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        for place, name in enumerate(steps, 1):
            console.file.write(f"{place} of {len(steps)}: {name}\n")
            console.file.flush()
            yield name
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(steps))
        for name in steps:
            bar.update(task, description=name)
            yield name
            bar.advance(task)
