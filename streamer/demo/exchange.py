"""The exchange with Kafka: sender and reader connected, settled and closed together."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from streamer.demo.ledger import Ledger
from streamer.demo.reader import Reader
from streamer.demo.sender import Sender

SETTLE_DEADLINE_S: Final = 60.0
STOP_LIMIT_S: Final = 5.0
_SETTLE_PERIOD_S: Final = 0.2


@contextlib.asynccontextmanager
async def connected(sender: Sender, reader: Reader) -> AsyncIterator[None]:
    """Connect both, and disconnect them at the end even if Kafka does not answer."""
    try:
        await sender.start()
        await reader.start()
        yield
    finally:
        await _all_within(STOP_LIMIT_S, sender.stop(), reader.stop())


async def settle(ledger: Ledger, sender: Sender, reader: Reader) -> None:
    """Wait until nothing is in flight, or until a deadline; the balance then says what is missing."""
    deadline_s = time.monotonic() + SETTLE_DEADLINE_S
    while time.monotonic() < deadline_s:
        balance = ledger.balance()
        is_acknowledged = balance.plays + ledger.num_bad == sender.num_sent
        is_done = is_acknowledged and not (balance.lost or balance.unanswered or balance.dead_letters_lost)
        if is_done and await reader.has_read_all():
            return
        await asyncio.sleep(_SETTLE_PERIOD_S)


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; then cancel the others, and raise its error if it failed."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _all_within(limit_s: float, *coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all for at most `limit_s`, ignoring errors: a client would wait forever for a Kafka that is gone."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await asyncio.wait(tasks, timeout=limit_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
