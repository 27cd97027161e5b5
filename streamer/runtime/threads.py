"""Blocking calls in threads that nothing has to wait for: neither their caller, nor the end of the process.

A pool joins its threads when the interpreter ends, so one call that never returns, to a disk or a store that has gone
away, would keep the process from ending. A daemon thread is simply left behind.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


def call_within(limit_s: float, call: Callable[[], _Result]) -> _Result:
    """Call and wait for the result; a call that takes longer goes on in its thread, unheard.

    Raises:
        TimeoutError: it took longer than `limit_s` seconds, or raised this itself.
        Exception: what the call raised; a BaseException, such as a stray cancellation, comes as a RuntimeError.
    """
    return _start(call).result(limit_s)


async def call_unjoined(call: Callable[[], _Result]) -> _Result:
    """Call and await the result; whoever is cancelled meanwhile, or ends, does not wait for the call.

    Raises:
        Exception: what the call raised; a BaseException, such as a stray cancellation, comes as a RuntimeError.
    """
    return await asyncio.wrap_future(_start(call))


def _start(call: Callable[[], _Result]) -> Future[_Result]:
    future: Future[_Result] = Future()
    future.set_running_or_notify_cancel()  # a future that runs cannot be cancelled: its thread will set it
    threading.Thread(target=_set, args=(future, call), name=f"unjoined {call!r}"[:60], daemon=True).start()
    return future


def _set(future: Future[_Result], call: Callable[[], _Result]) -> None:
    try:
        result = call()
    except Exception as exc:  # noqa: BLE001  it is the caller's
        future.set_exception(exc)
    except BaseException as exc:  # noqa: BLE001  it would cancel or end the caller, who was not meant
        error = RuntimeError(f"{type(exc).__name__} {exc}".strip())
        error.__cause__ = exc
        future.set_exception(error)
    else:
        future.set_result(result)
