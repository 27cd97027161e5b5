"""How far something is that takes long: a bar on a terminal, lines elsewhere; both on stderr.

Lines come every ten seconds, so what is over sooner has none. Without rich, of the extras, a terminal has lines too.
"""

import sys
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final, Protocol, TextIO, TypeAlias

#: Called with how much is done, as often as convenient.
Show: TypeAlias = Callable[[float], None]

_PERIOD_S: Final = 10.0


class Draw(Protocol):
    """Redraws a bar."""

    def __call__(self, done: float, total: float, says: str) -> None:
        """Show how much of a total is done, and what is said behind the bar."""


@contextmanager
def progress(what: str, total: float, unit: str, output: TextIO | None = None) -> Iterator[Show]:
    """Yield what shows how much of a total is done.

    Args:
        what: is under way.
        total: in units; more may come.
        unit: its plural.
        output: where it is shown; None: stderr.
    """
    with bar(what, output) as draw:
        if draw is None:
            lines = _Lines(what, total, unit, output or sys.stderr)
            yield lines.show
            lines.end()
            return
        draw(0, total, _amount(0, total, unit))
        yield lambda done: draw(done, max(done, total), _amount(done, total, unit))


def watch(steps: Collection[str], output: TextIO | None = None) -> Generator[str, None, None]:
    """Yield the names of some steps, each when it is to be taken.

    Args:
        steps: their names, in order.
        output: where they are shown; None: stderr.
    """
    output = output or sys.stderr
    if (drawn := _drawn(output)) is None:
        for place, name in enumerate(steps, 1):
            output.write(f"{place} of {len(steps)}: {name}\n")
            output.flush()
            yield name
        return
    with drawn.bar_of_steps(output) as draw:
        for place, name in enumerate(steps):
            draw(place, len(steps), f"{place + 1} of {len(steps)}: {name}")
            yield name


@contextmanager
def bar(what: str, output: TextIO | None = None) -> Iterator[Draw | None]:
    """Yield what redraws a bar; None where nothing can be drawn."""
    output = output or sys.stderr
    if (drawn := _drawn(output)) is None:
        yield None
        return
    with drawn.bar_with_end_in_sight(what, output) as draw:
        yield draw


class _Lines:
    """Writes a line every ten seconds, and one at the end if there was any."""

    def __init__(
        self, what: str, total: float, unit: str, output: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._output = output
        self._clock = clock
        self._begun_s = clock()
        self._written_s = self._begun_s
        self._done = 0.0

    def show(self, done: float) -> None:
        self._done = done
        now_s = self._clock()
        if now_s - self._written_s < _PERIOD_S:
            return
        self._written_s = now_s
        left_s = (now_s - self._begun_s) * (self._total - done) / done if done else 0.0
        self._write(f", about {left_s:.0f} s left" if left_s > 0 else "")

    def end(self) -> None:
        if self._written_s > self._begun_s:
            self._write(f" in {self._clock() - self._begun_s:.0f} s")

    def _write(self, more: str) -> None:
        self._output.write(f"{self._what}: {_amount(self._done, self._total, self._unit)}{more}\n")
        self._output.flush()


def _amount(done: float, total: float, unit: str) -> str:
    return f"{done:,.0f} of {max(done, total):,.0f} {unit}"


def _drawn(output: TextIO) -> ModuleType | None:
    """Return what draws bars; None where there is no terminal, or rich is not installed."""
    if not output.isatty():
        return None
    try:
        from streamer.runtime import drawn_progress  # noqa: PLC0415  see above
    except ModuleNotFoundError:
        return None
    return drawn_progress if drawn_progress.is_drawable(output) else None
