"""End the process at once: the one answer to an error or an unknown outcome between Kafka and the disk.

A worker that merely drops a failed batch hangs at the next rebalance, waiting for its acknowledgement; a producer that
carries on after an aborted transaction commits the next batch, and its progress mark covers the lost one for ever. So
there is no second way back beside recovery, and recovery begins with a new process.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from streamer.errors import RefrainError

logger = logging.getLogger(__name__)

#: Exit status of a process that ended itself for the sake of its states: a restart mends it.
CRASH_STATUS = 70

#: Exit status of a process that refused to start: a restart mends nothing, an operator must.
REFUSED_STATUS = 3

#: How often the clock is looked at, seconds: well below any session timeout.
CLOCK_PERIOD_S = 0.25


def crash(reason: str, cause: BaseException | None = None) -> NoReturn:
    """End this process now, without unwinding: no finally block may acknowledge, commit or write anything.

    Args:
        reason: what happened, which partition or file, what to do if it happens again.
        cause: the exception that led here, logged with its traceback.
    """
    logger.critical("crash: %s", reason, exc_info=cause)
    _exit(CRASH_STATUS)


def refuse(cause: RefrainError) -> NoReturn:
    """End this process because going on would lose or repeat plays; the message says what mends it."""
    logger.critical("refused to start: %s", cause)
    _exit(REFUSED_STATUS)


def _exit(status: int) -> NoReturn:
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(status)


class ClockWatch:
    """Notice that the process was frozen (SIGSTOP, a suspended laptop, a stalled hypervisor).

    After a freeze longer than the session timeout the partitions belong to somebody else, and with a static identity
    the group does not even say so. `CLOCK_BOOTTIME` where it exists, since the monotonic clock of Linux stands still
    while the machine sleeps.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] | None = None) -> None:
        self._limit_s = limit_s
        self._clock = clock or _clock_through_sleep
        self._last_s = self._clock()

    def check(self) -> float | None:
        """Look at the clock; return the length of the freeze in seconds if there was one, else None."""
        now_s = self._clock()
        frozen_s, self._last_s = now_s - self._last_s, now_s
        return frozen_s if frozen_s > self._limit_s else None


def _clock_through_sleep() -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
