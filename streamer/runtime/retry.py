"""Periodic work that retries after errors which time or an operator can fix."""

import asyncio
import contextlib
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streamer.errors import RefrainError, StoreError

logger = logging.getLogger(__name__)

MAX_RETRY_S: Final = 3600.0

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


async def retry_forever(
    work: Callable[[], Awaitable[None]],
    stopping: asyncio.Event,
    *,
    period_s: float,
    retry_s: float,
    tolerated: type[Exception],
    note: Callable[[str], None],
) -> None:
    """Do the work every `period_s` seconds until `stopping` is set.

    After a failure, retry `retry_s` seconds later; each further failure in a row doubles the wait, up to an hour.
    `note` is called after each attempt, with what went wrong, or with an empty text.

    Raises:
        RefrainError: raised by the work, and not a StoreError: retrying would not help.
        Exception: any other error that is not tolerated.
    """
    num_failures = 0
    while not stopping.is_set():
        wait_s = period_s
        try:
            await work()
            num_failures = 0
            note("")
        except Exception as exc:
            if not isinstance(exc, StoreError) and (isinstance(exc, RefrainError) or not isinstance(exc, tolerated)):
                raise
            wait_s = min(retry_s * 2**num_failures, MAX_RETRY_S)
            num_failures += 1
            note(explain(exc))
            is_bug = not remedy(exc)
            logger.error(  # noqa: TRY400  an error that an operator can fix needs no traceback
                "attempt failed: %s; retrying in %.0f s", explain(exc), wait_s, exc_info=exc if is_bug else None
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait_s)


def explain(error: Exception) -> str:
    """Say in one line what happened and what to do about it."""
    if isinstance(error, StoreError):  # names its remedy itself
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}; {remedy(error) or 'report this'}"


def remedy(error: Exception) -> str:
    """Say what an operator does about an error; empty if it is a bug."""
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "out of memory: lower REFRAIN_TRAIN_WINDOW_PLAYS, or give the trainer more memory"
    if isinstance(error, MessageSizeTooLargeError):
        return "raise max.message.bytes of the topic"
    if isinstance(error, KafkaError):
        return "check that Kafka runs at REFRAIN_KAFKA_BOOTSTRAP_SERVERS"
    if isinstance(error, OSError) and error.errno in _FULL:
        return "the disk is full: free some space, or lower REFRAIN_ARCHIVE_DAYS or REFRAIN_RELEASES_KEPT"
    if isinstance(error, OSError | StoreError):
        return "check that REFRAIN_RELEASES_URL and REFRAIN_ARCHIVE_DIR can be reached and written"
    return ""
