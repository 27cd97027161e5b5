"""The lifetime of a Kafka client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar


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
