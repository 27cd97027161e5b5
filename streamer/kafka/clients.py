"""The lifetime of a Kafka client, and of the background tasks inside it.

Only this file may reach for the tasks of aiokafka's clients. When one of them fails, aiokafka tells whoever calls the
client next, or nobody: a consumer without its fetching task yields nothing for ever, a client without its metadata task
waits for ever for a leader, and a member without its coordinating task is in no group. The sending task of a producer
fails whatever it was asked to send, so its end is heard where something is sent.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from streamer.runtime.tasks import watch_vital

#: Where aiokafka keeps the tasks of a client, by the owner's attribute; a client has some of them.
_TASKS = (
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
    for owner, attribute, what in _TASKS:
        task = getattr(getattr(client, owner, None), attribute, None)
        if task is not None:
            watch_vital(task, f"{what} of the {name}")
