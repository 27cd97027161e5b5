"""End the process at once: the only response to an error or an unknown outcome between Kafka and the disk.

A worker that merely drops a failed batch hangs at the next rebalance, waiting for its acknowledgement. A producer that
carries on after an aborted transaction commits the next batch, whose progress mark then covers the lost one. So
recovery is the only way back, and it starts with a new process.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from streamer.errors import RefrainError
from streamer.runtime.statuses import Status

logger = logging.getLogger(__name__)

#: Seconds between looks at the clock: well below any session timeout.
CLOCK_PERIOD_S = 0.25


def crash(reason: str, cause: BaseException | None = None) -> NoReturn:
    """End this process now, without unwinding: no finally block may acknowledge, commit or write anything.

    Args:
        reason: what happened, to which partition or file, and what to do if it happens again.
        cause: the exception behind it, logged with its traceback.
    """
    logger.critical("crash: %s", reason, exc_info=cause)
    _exit(Status.CRASHED)


def refuse(cause: RefrainError) -> NoReturn:
    """End this process because continuing would lose or repeat plays; the message names the remedy."""
    logger.critical("refused: %s", cause)
    _exit(Status.REFUSED)


def leave(reason: str, status: int = Status.DONE) -> NoReturn:
    """End this process now because it was stopped, with nothing left that its next start needs.

    Args:
        reason: what is left undone.
        status: exit status.
    """
    logger.info("stops at once: %s", reason)
    _exit(status)


def _exit(status: int) -> NoReturn:
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(status)


class ClockWatch:
    """Detects that the process was frozen (SIGSTOP, a suspended laptop, a stalled hypervisor).

    After a freeze longer than the session timeout the partitions belong to another worker, and under a static identity
    the group does not even say so. The clock is `CLOCK_BOOTTIME` where it exists, because the monotonic clock of Linux
    stops while the machine sleeps.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] | None = None) -> None:
        self._limit_s = limit_s
        self._clock = clock or _clock_through_sleep
        self._last_s = self._clock()

    def check(self) -> float | None:
        """Read the clock; return how long the process was frozen, in seconds, or None if it was not."""
        now_s = self._clock()
        frozen_s, self._last_s = now_s - self._last_s, now_s
        return frozen_s if frozen_s > self._limit_s else None


def _clock_through_sleep() -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
