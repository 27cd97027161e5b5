"""Retries: errors that time may fix are retried, others end the work."""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from streamer.errors import ContractError, StoreError
from streamer.runtime.retry import remedy, retry_forever
from tests.cases.observations import Observe


async def run(work: Callable[[], Awaitable[None]], stopping: asyncio.Event, retry_s: float = 0.001) -> int:
    """Run the work until it asks to stop; return how often it failed."""
    num_failures = 0

    def note(problem: str) -> None:
        nonlocal num_failures
        num_failures += bool(problem)

    await asyncio.wait_for(
        retry_forever(work, stopping, period_s=0, retry_s=retry_s, tolerated=OSError, note=note),
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


async def test_a_failure_is_logged_counted_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    stopping = asyncio.Event()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    num_failures = await run(failing(iter([None, full, full, None]), stopping), stopping)

    assert num_failures == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "the disk is full: free some space" in caplog.text


async def test_each_failure_doubles_the_wait_until_a_success(caplog: pytest.LogCaptureFixture) -> None:
    stopping = asyncio.Event()
    outcomes = [OSError("away"), OSError("away"), OSError("away"), None, OSError("away")]

    await run(failing(iter(outcomes), stopping), stopping, retry_s=0.004)

    waits_s = [record.args[1] for record in caplog.records if isinstance(record.args, tuple) and record.args]
    assert waits_s == [0.004, 0.008, 0.016, 0.004]


async def test_an_error_that_waiting_cannot_fix_ends_the_work() -> None:
    stopping = asyncio.Event()

    with pytest.raises(ContractError):
        await run(failing(iter([ContractError("recreated")]), stopping), stopping)
    with pytest.raises(ValueError, match="not tolerated"):
        await run(failing(iter([ValueError("not tolerated")]), stopping), stopping)


@pytest.mark.kind(9)
async def test_a_store_that_fails_is_retried_whatever_else_ends_the_work(
    caplog: pytest.LogCaptureFixture, observe: Observe
) -> None:
    stopping = asyncio.Event()
    away = StoreError("cannot write manifest.json at s3://b/r: ClientError: 503; check REFRAIN_RELEASES_URL")

    assert await run(failing(iter([away, None]), stopping), stopping) == 1

    assert f"{away}; retrying in 0 s" in caplog.text
    assert "Traceback" not in caplog.text
    observe("a trainer whose store fails logs it in one line with its remedy, and tries again")


async def test_a_stop_is_noticed_while_waiting() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stopping.set)

    assert await run(failing(iter([OSError("away")]), stopping), stopping, retry_s=3600) == 1


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (MemoryError(), "REFRAIN_TRAIN_WINDOW_PLAYS"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "REFRAIN_TRAIN_WINDOW_PLAYS"),
        (KafkaConnectionError("no"), "check that Kafka runs"),
        (MessageSizeTooLargeError(), "max.message.bytes"),
        (OSError(errno.ENOSPC, "full"), "free some space"),
        (PermissionError(errno.EACCES, "no"), "REFRAIN_RELEASES_URL"),
        (ZeroDivisionError("bug"), ""),
    ],
)
def test_an_error_comes_with_what_to_do_about_it(error: Exception, advice: str) -> None:
    assert advice in remedy(error)
    assert bool(advice) == bool(remedy(error))
