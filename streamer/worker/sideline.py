"""The sideline: the one thread that computes for whoever looks on, never for a play, and takes on few calls at once."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from streamer.errors import BusyError

_Result = TypeVar("_Result")


class Sideline:
    """Runs calls one after the other.

    Its kernels run without the interpreter's lock, and torch uses no other thread for it, so that at most one core is
    busy here. The engine has its own thread, and its own number of torch's threads.

    Args:
        max_calls: that run or wait.
    """

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._free = threading.BoundedSemaphore(max_calls)
        self._thread = ThreadPoolExecutor(1, "sideline", initializer=torch.set_num_threads, initargs=(1,))

    async def run(self, call: Callable[[], _Result]) -> _Result:
        """Call in the thread; a call that nobody awaits any more is dropped, unless it runs.

        Raises:
            BusyError: as many calls as there may be run or wait already.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{self._max_calls} questions wait for an answer already; ask again later")
        future = self._thread.submit(call)
        future.add_done_callback(self._note_done)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Release the thread; calls that wait are dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _note_done(self, _: "Future[_Result]") -> None:
        self._free.release()
