"""Background tasks whose end nobody awaits: here it is heard, and ends the process, or the question they work for.

A task that dies unheard leaves a process that looks well and does nothing. Every task that must live as long as the
process is started or watched here, those inside the Kafka clients too (`streamer.kafka.clients`). Where such a client
is made for a question, the question fails instead, and no play waits for a restart. What the process can do without is
started here too, and its failure is a line of the log.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from streamer.errors import ContractError
from streamer.runtime.crash import crash, refuse

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_Failure: TypeAlias = asyncio.Future[NoReturn]

#: Where failures go of tasks that are started or watched in this context; None: they end the process.
_FAILURE: Final[ContextVar[_Failure | None]] = ContextVar("failure", default=None)


def start_vital(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    """Run a coroutine in the background, as a task that only its canceller may end."""
    task = asyncio.create_task(work, name=name)
    watch_vital(task, name)
    return task


def start_dispensable(work: Coroutine[Any, Any, _Result], name: str) -> "asyncio.Task[_Result]":
    """Run a coroutine in the background, as a task whose failure is logged and ends nothing else.

    Args:
        work: what the process can do without.
        name: what it does, for the line of the log.
    """

    def hear(ended: "asyncio.Task[_Result]") -> None:
        if not ended.cancelled() and (cause := ended.exception()) is not None:
            logger.error("task failed: the %s; the process does without", name, exc_info=cause)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(hear)
    return task


def watch_vital(task: "asyncio.Task[Any]", name: str) -> None:
    """End the process if a task fails: refused if a restart changes nothing, crashed otherwise.

    Args:
        task: may be cancelled, or end by itself, without consequence: its owner has closed it.
        name: what the task does, for the last line of the log.
    """
    failure = _FAILURE.get()

    def hear(ended: "asyncio.Task[Any]") -> None:
        if ended.cancelled() or (cause := ended.exception()) is None:
            return
        if failure is not None:
            if not failure.done():
                failure.set_exception(cause)
            return
        if isinstance(cause, ContractError):
            refuse(cause)
        crash(f"the {name} has failed; see the cause", cause)

    task.add_done_callback(hear)


async def failing_alone(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run work that the process does not need.

    Raises:
        Exception: what the work raised, or a task that it started or had watched; then the work is cancelled.
    """
    failure: _Failure = asyncio.get_running_loop().create_future()
    token = _FAILURE.set(failure)
    working = asyncio.ensure_future(work)  # its context is a copy of this one
    _FAILURE.reset(token)
    try:
        either: set[asyncio.Future[Any]] = {working, failure}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if failure.done():
            return await failure
        return await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)  # it closes its clients
        failure.cancel()
