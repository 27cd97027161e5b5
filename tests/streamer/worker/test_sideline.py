import asyncio
import threading

import pytest
import torch

from streamer.errors import BusyError
from streamer.worker.sideline import Sideline


async def test_more_calls_than_there_may_be_are_refused_at_once_and_there_is_room_again() -> None:
    sideline, gate = Sideline(2), threading.Event()
    running = [asyncio.ensure_future(sideline.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(BusyError, match="2 questions wait"):
        await sideline.run(gate.wait)
    gate.set()
    await asyncio.gather(*running)

    assert await sideline.run(lambda: 5) == 5
    sideline.close()


async def test_a_call_that_fails_or_that_nobody_awaits_gives_its_place_back() -> None:
    sideline, gate = Sideline(2), threading.Event()
    blocking = asyncio.ensure_future(sideline.run(gate.wait))
    dropped = asyncio.ensure_future(sideline.run(lambda: pytest.fail("nobody awaits it")))
    await asyncio.sleep(0)

    dropped.cancel()
    await asyncio.wait({dropped})
    failing = asyncio.ensure_future(sideline.run(lambda: 1 // 0))
    await asyncio.sleep(0)
    gate.set()

    with pytest.raises(ZeroDivisionError):
        await failing
    assert await blocking
    assert [await sideline.run(threading.get_ident) for _ in range(4)] == 4 * [await sideline.run(threading.get_ident)]
    sideline.close()


async def test_torch_uses_one_thread_there_and_as_many_as_before_elsewhere() -> None:
    sideline, before = Sideline(1), torch.get_num_threads()

    assert await sideline.run(torch.get_num_threads) == 1

    assert torch.get_num_threads() == before
    sideline.close()
