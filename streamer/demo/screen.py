"""The screen that shows pictures: a whole terminal, or lines of text if there is no terminal."""

import logging
import time
from collections.abc import Callable
from logging.handlers import MemoryHandler
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live as LiveDisplay

from streamer.demo.picture import Picture
from streamer.demo.view import render, render_figures, render_line

LINE_PERIOD_S: Final = 5.0
_LOG_RECORDS: Final = 10_000  # held back while the screen is in use


class Screen(Protocol):
    """Shows pictures while its context lasts."""

    def __enter__(self) -> Self:
        """Take over the screen."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the screen."""

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the previous one."""


class TerminalScreen:
    """Fills a terminal; log records are held back until it closes.

    Args:
        console: on a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._display = LiveDisplay(console=console, screen=True, auto_refresh=False)
        self._kept_back: list[tuple[logging.Handler, MemoryHandler]] = []

    def __enter__(self) -> Self:
        root = logging.getLogger()
        for handler in list(root.handlers):
            keeper = MemoryHandler(_LOG_RECORDS, flushLevel=logging.CRITICAL + 1, target=handler)
            self._kept_back.append((handler, keeper))
            root.removeHandler(handler)
            root.addHandler(keeper)
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()
        root = logging.getLogger()
        for handler, keeper in self._kept_back:
            root.removeHandler(keeper)
            root.addHandler(handler)
            keeper.close()

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the previous one."""
        self._display.update(render(picture), refresh=True)


class LineScreen:
    """Writes what is new: a status or a notice at once, figures every `LINE_PERIOD_S` seconds.

    Args:
        stream: receives the lines.
        clock: seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._status = ""
        self._told_s = -1.0
        self._figures = ""
        self._figures_s = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def show(self, picture: Picture) -> None:
        """Write what of a picture has not been written yet, if anything."""
        for notice in picture.notices:
            if notice.at_s > self._told_s:
                self._told_s = notice.at_s
                self._write(notice.at_s, notice.text)
        if picture.status != self._status:
            self._status = picture.status
            self._write(picture.elapsed_s, picture.status)
        figures, now_s = render_figures(picture), self._clock()
        if figures != self._figures and now_s - self._figures_s >= LINE_PERIOD_S:
            self._figures, self._figures_s = figures, now_s
            self._write(picture.elapsed_s, figures)

    def _write(self, elapsed_s: float, text: str) -> None:
        self._stream.write(render_line(elapsed_s, text))
        self._stream.flush()


def open_screen(console: Console, stream: TextIO) -> Screen:
    """Return a screen on the console if it is a terminal, otherwise on the stream."""
    return TerminalScreen(console) if console.is_terminal else LineScreen(stream)
