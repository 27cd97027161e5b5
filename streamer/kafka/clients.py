"""The lifetime of a Kafka client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar


class Client(Protocol):
    """A consumer, a producer, or what owns one."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect; does no harm before `start` has succeeded."""


_Client = TypeVar("_Client", bound=Client)


@asynccontextmanager
async def running(client: _Client) -> AsyncGenerator[_Client, None]:
    """Start a client, yield it and stop it, even if it finds no Kafka: aiokafka's own context leaves that one open."""
    try:
        await client.start()
        await asyncio.sleep(0)  # aiokafka fails to stop a consumer whose tasks have not begun
        yield client
    finally:
        await client.stop()
