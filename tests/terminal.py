"""What a real terminal receives."""

import contextlib
import os
import pty
import threading
from collections.abc import Callable
from typing import TextIO

import pytest


def on_a_terminal(show: Callable[[TextIO], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a terminal of 100 columns receives."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    received: list[bytes] = []
    reader = threading.Thread(target=read_all, args=(ours, received))
    reader.start()
    with os.fdopen(theirs, "w") as output:
        show(output)
    reader.join()
    os.close(ours)
    return b"".join(received).decode()


def read_all(terminal: int, received: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # the other side is closed
        while True:
            received.append(os.read(terminal, 1 << 16))
