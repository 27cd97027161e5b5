"""Waiting for a condition in tests."""

import asyncio
import functools
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.until import until, until_awaited, wait_until

Wait = Callable[..., Awaitable[object]]


async def blocking(condition: Callable[[], object], what: str, **seconds: float) -> object:
    return await asyncio.to_thread(functools.partial(wait_until, condition, what, **seconds))


async def awaiting(condition: Callable[[], object], what: str, **seconds: float) -> object:
    async def look() -> object:
        return condition()

    return await until_awaited(look, what, **seconds)


every_kind = pytest.mark.parametrize("wait", [until, awaiting, blocking])


@every_kind
async def test_waiting_ends_with_the_first_true_value(wait: Wait) -> None:
    values = iter([0, "", [], "there", "later"])

    assert await wait(lambda: next(values), "it is there", period_s=0.001) == "there"


@every_kind
async def test_a_deadline_fails_and_names_what_was_waited_for(wait: Wait) -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.02 s in vain until pigs fly"):
        await wait(lambda: False, "pigs fly", deadline_s=0.02, period_s=0.001)


@every_kind
async def test_a_condition_is_looked_at_once_even_without_time(wait: Wait) -> None:
    assert await wait(lambda: True, "it holds", deadline_s=0)


@every_kind
async def test_an_error_of_the_condition_is_its_own(wait: Wait) -> None:
    def fail() -> bool:
        raise TimeoutError("the broker's own")

    with pytest.raises(TimeoutError, match="the broker's own"):
        await wait(fail, "it holds")


async def test_other_tasks_run_meanwhile() -> None:
    happened = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, happened.set)

    assert await until(happened.is_set, "it happened", period_s=0.001)


def test_other_threads_run_meanwhile() -> None:
    happened = threading.Event()
    timer = threading.Timer(0.01, happened.set)
    timer.start()

    assert wait_until(happened.is_set, "it happened", period_s=0.001)
    timer.join()


async def test_a_look_that_hangs_ends_at_the_deadline() -> None:
    began_s = time.monotonic()

    with pytest.raises(AssertionError, match="until it answers"):
        await until_awaited(lambda: asyncio.sleep(60, result=True), "it answers", deadline_s=0.02)

    assert time.monotonic() - began_s < 30
