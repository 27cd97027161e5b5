"""Work apart: on an event loop of its own, in a thread that nothing waits for, and within a limit.

For what clients of Kafka do for whoever looks on, in a process whose own event loop must never wait for them.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from streamer.errors import BusyError
from streamer.runtime.tasks import failing_alone
from streamer.runtime.threads import call_unjoined

_Result = TypeVar("_Result")

#: Seconds that work whose time is up has to put things in order; what takes longer is left behind.
_GRACE_S: Final = 1.0


class Apart:
    """Runs coroutines apart, few at a time.

    Args:
        max_calls: that run at a time; one that was left behind counts until it ends.
    """

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._free = threading.BoundedSemaphore(max_calls)

    async def run(self, limit_s: float, call: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """Run what a call returns.

        Raises:
            BusyError: as many run as may.
            TimeoutError: it took longer than `limit_s` seconds.
            Exception: what it raised, or a background task of a client that it made.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{self._max_calls} others ask for something of this kind already; ask again later")

        def work() -> _Result:
            try:
                return asyncio.run(_within(limit_s, call))
            finally:
                self._free.release()

        async with asyncio.timeout(limit_s + _GRACE_S):
            return await call_unjoined(work)


async def _within(limit_s: float, call: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    async with asyncio.timeout(limit_s):
        return await failing_alone(call())
