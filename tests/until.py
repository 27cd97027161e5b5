"""Waiting for a condition: with a deadline, and a failure that names what did not happen.

A condition is looked at every few milliseconds because what it observes (another process, a thread, a broker) notifies
nobody. It may return whatever it found: waiting ends with the first value that is true, and returns it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

#: A shared machine may starve a process for long; nothing here is about speed.
DEADLINE_S: Final = 120.0
_PERIOD_S: Final = 0.05

_T = TypeVar("_T")


async def until(
    condition: Callable[[], _T], what: str, *, deadline_s: float = DEADLINE_S, period_s: float = _PERIOD_S
) -> _T:
    """Wait, and let other tasks run, until a condition holds.

    Args:
        condition: looked at once at least.
        what: completes "waited 120 s in vain until ...".
        deadline_s: seconds to wait at most.
        period_s: seconds between two looks.

    Raises:
        AssertionError: it did not hold in time.
    """
    ends_s = time.monotonic() + deadline_s
    while not (value := condition()):
        _check(ends_s, what, deadline_s)
        await asyncio.sleep(period_s)
    return value


async def until_awaited(
    condition: Callable[[], Awaitable[_T]], what: str, *, deadline_s: float = DEADLINE_S, period_s: float = _PERIOD_S
) -> _T:
    """Wait until a condition that takes an await holds; at the deadline, a look under way is cancelled.

    Raises:
        AssertionError: it did not hold in time.
    """
    try:
        async with asyncio.timeout(deadline_s) as timeout:
            while not (value := await condition()):  # noqa: ASYNC110  see the module
                await asyncio.sleep(period_s)
            return value
    except TimeoutError as exc:
        if not timeout.expired():  # the condition's own
            raise
        raise AssertionError(_in_vain(what, deadline_s)) from exc


def wait_until(
    condition: Callable[[], _T], what: str, *, deadline_s: float = DEADLINE_S, period_s: float = _PERIOD_S
) -> _T:
    """Wait, blocking the thread, until a condition holds.

    Raises:
        AssertionError: it did not hold in time.
    """
    ends_s = time.monotonic() + deadline_s
    while not (value := condition()):
        _check(ends_s, what, deadline_s)
        time.sleep(period_s)
    return value


def _check(ends_s: float, what: str, deadline_s: float) -> None:
    if time.monotonic() >= ends_s:
        raise AssertionError(_in_vain(what, deadline_s))


def _in_vain(what: str, deadline_s: float) -> str:
    return f"waited {deadline_s:.3g} s in vain until {what}"
