"""Perseverance: what time may mend is tried again, what it cannot ends the work."""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.errors import ContractError
from streamer.runtime.retry import remedy, retry_forever


async def run(work: Callable[[], Awaitable[None]], stopping: asyncio.Event, retry_s: float = 0.001) -> int:
    """Do the work until it asks to stop; return how often it failed."""
    num_failures = 0

    def count_failure() -> None:
        nonlocal num_failures
        num_failures += 1

    await asyncio.wait_for(
        retry_forever(work, stopping, period_s=0, retry_s=retry_s, tolerated=OSError, count_failure=count_failure),
        30,
    )
    return num_failures


def failing(outcomes: Iterator[Exception | None], stopping: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """Work that has these outcomes, then asks to stop."""

    async def work() -> None:
        outcome = next(outcomes, ...)
        if outcome is ...:
            stopping.set()
        elif outcome is not None:
            raise outcome

    return work


async def test_what_fails_is_told_counted_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    stopping = asyncio.Event()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    num_failures = await run(failing(iter([None, full, full, None]), stopping), stopping)

    assert num_failures == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "the disk is full: make room" in caplog.text


async def test_each_failure_is_waited_out_twice_as_long_until_one_success(caplog: pytest.LogCaptureFixture) -> None:
    stopping = asyncio.Event()
    outcomes = [OSError("away"), OSError("away"), OSError("away"), None, OSError("away")]

    await run(failing(iter(outcomes), stopping), stopping, retry_s=0.004)

    waits_s = [record.args[3] for record in caplog.records if isinstance(record.args, tuple) and record.args]
    assert waits_s == [0.004, 0.008, 0.016, 0.004]


async def test_what_no_waiting_mends_ends_the_work() -> None:
    stopping = asyncio.Event()

    with pytest.raises(ContractError):
        await run(failing(iter([ContractError("made anew")]), stopping), stopping)
    with pytest.raises(ValueError, match="not tolerated"):
        await run(failing(iter([ValueError("not tolerated")]), stopping), stopping)


async def test_the_wish_to_stop_is_heard_while_waiting() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stopping.set)

    assert await run(failing(iter([OSError("away")]), stopping), stopping, retry_s=3600) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "REFRAIN_TRAIN_WINDOW_PLAYS"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "REFRAIN_TRAIN_WINDOW_PLAYS"),
        (KafkaConnectionError("no"), "see that Kafka runs"),
        (OSError(errno.ENOSPC, "full"), "make room"),
        (PermissionError(errno.EACCES, "no"), "REFRAIN_RELEASES_URL"),
        (ZeroDivisionError("bug"), ""),
    ],
)
def test_an_error_is_told_with_what_to_do(error: Exception, says: str) -> None:
    assert says in remedy(error)
    assert bool(says) == bool(remedy(error))
