"""The signals that end a process, and the time it has left after one.

Everything ends within ten seconds of SIGTERM or SIGINT, whatever it is waiting for: a thread of its own counts them, so
a loop that no longer turns, a client whose broker is silent and a thread that cannot be interrupted change nothing.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

#: Seconds between the signal and the end; an orchestrator must wait longer before it kills.
GRACE_S: Final = 10.0

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

#: Seconds until a signal that came in the midst of an import is looked at again.
_AGAIN_S: Final = 0.05

_Result = TypeVar("_Result")


class Interrupted(KeyboardInterrupt):
    """Raised where a signal interrupts a command.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status of a command that the signal ended."""
        return 128 + self.number


class StopSignal(asyncio.Event):
    """An event that SIGTERM or SIGINT sets.

    Attributes:
        number: of the first signal.
    """

    number: int = signal.SIGTERM


def stop_signal(overdue: Callable[[], object]) -> StopSignal:
    """Return an event that SIGTERM or SIGINT sets; call it first, so that no signal is missed.

    Args:
        overdue: called in another thread if the process still runs `GRACE_S` after the signal; it ends the process.
    """
    loop, stopping = asyncio.get_running_loop(), StopSignal()

    def stop(number: int, _: FrameType | None) -> None:
        if not stopping.is_set():
            stopping.number = number
            after_grace(overdue)
            loop.call_soon_threadsafe(stopping.set)

    for number in _SIGNALS:
        signal.signal(number, stop)  # a handler of the loop would wait for a loop that is stuck
    return stopping


async def unless_stopped(work: Coroutine[Any, Any, _Result], stopping: asyncio.Event) -> _Result | None:
    """Return the work's result; None if the stop signal comes first, which cancels the work."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        working.cancel()
        return None
    waiting.cancel()
    return await working


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGINT interrupt a command, and end it if it cannot be interrupted.

    Without a handler, SIGTERM would leave child processes behind, and the first process of a container would ignore it.

    Raises:
        Interrupted: wherever the command is when a signal arrives; after an import, if it is in the midst of one.
    """
    is_counting, postponed = False, list[threading.Timer]()

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_counting
        if not is_counting:
            after_grace(lambda: os._exit(128 + number))
            is_counting = True
        if not _is_importing(frame):
            raise Interrupted(number)
        postponed.append(_send_again(number))

    handlers = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for timer in postponed:
            timer.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a package is being imported: its C++ code may end the process where Python raises an error."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _send_again(number: int) -> threading.Timer:
    return _after(_AGAIN_S, lambda: os.kill(os.getpid(), number))


def after_grace(end: Callable[[], object]) -> threading.Timer:
    """Start a timer that calls `end` in a thread of its own after `GRACE_S`, if the process still runs."""
    return _after(GRACE_S, end)


def _after(seconds: float, call: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer
