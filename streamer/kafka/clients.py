"""The lifetime of a Kafka client, and of the background tasks and connections inside it.

Only this file may reach for the tasks and connections of aiokafka's clients. When a task fails, aiokafka tells whoever
calls the client next, or nobody: a consumer without its fetching task yields nothing for ever, a client without its
metadata task waits for ever for a leader, and a member without its coordinating task is in no group. The sending task
of a producer fails whatever it was asked to send, so its end is heard where something is sent.

A connection that is left open is closed when nobody refers to it any more, and logged as an error. aiokafka leaves one
where its start is cancelled, and all where its stop is.
"""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection

from streamer.runtime.tasks import watch_vital

#: Where aiokafka keeps the tasks of a client, by the owner's attribute; a client has some of them.
_TASKS: Final = (
    ("_client", "_sync_task", "metadata task"),
    ("_fetcher", "_fetch_task", "fetching task"),
    ("_coordinator", "_coordination_task", "coordinating task"),
    ("_coordinator", "_reset_committed_task", "coordinating task"),
)


class Client(Protocol):
    """A consumer, a producer, or an owner of one."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect; harmless before `start` has succeeded."""


_Client = TypeVar("_Client", bound=Client)


@asynccontextmanager
async def running(client: _Client) -> AsyncGenerator[_Client, None]:
    """Start, yield and stop a client, even if Kafka is unreachable; aiokafka's own context would leave it open."""
    try:
        await client.start()
        await asyncio.sleep(0)  # aiokafka fails to stop a consumer whose tasks have not started
        yield client
    finally:
        await client.stop()


def watch_tasks(client: object, name: str) -> None:
    """End the process if a background task of a started client fails.

    Args:
        client: a consumer, a producer, or another owner of such a client.
        name: what the client is for, e.g. `consumer of plays`.
    """
    for task, what in _tasks_of(client):
        watch_vital(task, f"{what} of the {name}")


@contextmanager
def closing_connections() -> Iterator[None]:
    """If the block fails or is cancelled, close each connection that it was using: aiokafka forgets the first one."""
    try:
        yield
    except BaseException as exc:
        for frame, _ in traceback.walk_tb(exc.__traceback__):
            for value in frame.f_locals.values():
                if isinstance(value, AIOKafkaConnection):
                    value.close()
        raise


async def stop_all(owner: object, client: AIOKafkaClient, stopping: Awaitable[None]) -> None:
    """Stop a consumer or producer, and see to it that no task and no connection of it is left.

    Args:
        owner: the consumer or producer.
        client: of the owner.
        stopping: the owner's own way to stop. It ends early where it is cancelled, and a consumer's where it cancels a
            fetch that waits after an error.
    """
    try:
        await stopping
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
    finally:
        for task, _ in _tasks_of(owner):
            task.cancel()
        await client.close()


def hear(future: "asyncio.Future[Any]") -> None:
    """Hear of a future's error, so that nothing is logged if nobody else awaits it."""

    def look(done: "asyncio.Future[Any]") -> None:
        if not done.cancelled():
            done.exception()

    future.add_done_callback(look)


def _tasks_of(client: object) -> "Iterator[tuple[asyncio.Task[Any], str]]":
    """Yield the background tasks of a client that run, each with what it does."""
    for owner, attribute, what in _TASKS:
        task = getattr(getattr(client, owner, None), attribute, None)
        if task is not None:
            yield task, what


def _is_cancelled() -> bool:
    """Say whether somebody has cancelled the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
