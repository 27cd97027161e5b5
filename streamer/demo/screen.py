"""Where pictures are shown: a terminal's whole screen, or lines of text where there is no terminal."""

import logging
import time
from logging.handlers import MemoryHandler
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live as LiveDisplay

from streamer.demo.picture import Picture
from streamer.demo.view import render, render_line

LINE_PERIOD_S: Final = 5.0
_LOG_RECORDS: Final = 10_000  # kept back while the screen is taken


class Screen(Protocol):
    """Shows pictures while its context lasts."""

    def __enter__(self) -> Self:
        """Take the screen."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""

    def show(self, picture: Picture) -> None:
        """Show a picture in place of the one before."""


class TerminalScreen:
    """Fills a terminal; what is logged meanwhile comes after it.

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
        """Show a picture in place of the one before."""
        self._display.update(render(picture), refresh=True)


class LineScreen:
    """Writes a line now and then.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown_s = -LINE_PERIOD_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def show(self, picture: Picture) -> None:
        """Show a picture, unless another was shown just now."""
        if time.monotonic() - self._shown_s >= LINE_PERIOD_S:
            self._shown_s = time.monotonic()
            self._stream.write(render_line(picture) + "\n")
            self._stream.flush()


def open_screen(console: Console, stream: TextIO) -> Screen:
    """Return a screen on the console if that is a terminal, else on the stream."""
    return TerminalScreen(console) if console.is_terminal else LineScreen(stream)
