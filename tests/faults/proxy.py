"""A proxy in front of a broker that cuts, delays and swallows traffic, at a chosen request.

    proxy = Proxy()
    with DevKafka(directory, broker_config=proxy.broker_config) as kafka:
        async with proxy:
            ...  # clients that bootstrap at proxy.address stay behind the proxy; kafka.bootstrap_servers bypasses it

It reads only as much of Kafka's protocol as it must: the size before each message, the API key of a request and the
correlation id of requests and responses. Responses of a connection come in the order of its requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Final, Self

from streamer.local.ports import free_port

_SIZE: Final = struct.Struct(">i")
_REQUEST: Final = struct.Struct(">hhi")  # API key, its version, correlation id
_CORRELATION: Final = struct.Struct(">i")


#: Messages in one direction, each with the time it is due; None means that the sender has closed its side.
Messages = asyncio.Queue[tuple[float, bytes] | None]


class Api(IntEnum):
    """The API keys of requests."""

    PRODUCE = 0
    OFFSET_COMMIT = 8
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


class BrokenConnectionError(Exception):
    """Raised when a connection ends: at a cut, or because one side has closed it."""


@dataclass(slots=True, eq=False)
class Cut:
    """A pending cut.

    Attributes:
        api: of the request to cut at.
        countdown: how many such requests until then, that one included.
        struck: set when the connection is cut.
    """

    api: Api
    countdown: int
    struck: asyncio.Event = field(default_factory=asyncio.Event)

    def is_due_at(self, api_key: int) -> bool:
        """Count a request; return whether it is the one to cut at."""
        if api_key != self.api:
            return False
        self.countdown -= 1
        return self.countdown == 0


class Proxy:
    """Lets a broker's clients through until a fault is requested.

    Attributes:
        delay_s: delay of each message in each direction; messages stay in order and do not wait for each other.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._port = free_port()
        self._broker_port = free_port(other_than={self._port})
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()  # recreated in each event loop
        self._cuts_before: list[Cut] = []
        self._cuts_after: list[Cut] = []

    @property
    def address(self) -> str:
        """The address it listens on."""
        return f"127.0.0.1:{self._port}"

    @property
    def broker_config(self) -> dict[str, str]:
        """The settings of a broker whose clients stay behind this proxy if they bootstrap through it."""
        return {
            "listeners": f"PROXIED://127.0.0.1:{self._broker_port}",
            "advertised.listeners": f"PROXIED://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
        }

    async def __aenter__(self) -> Self:
        self._flowing, self._cuts_before, self._cuts_after = asyncio.Event(), [], []
        await self.heal()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    # -- lasting faults

    async def heal(self) -> None:
        """Let everything through at once, including what was swallowed on connections that are still open."""
        self.delay_s = 0.0
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def refuse(self) -> None:
        """Cut every connection and accept no new one, like a host whose broker is gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def swallow(self) -> None:
        """Answer nothing and close nothing, like a network that drops packets."""
        self._flowing.clear()

    # -- momentary faults

    async def cut(self) -> None:
        """Cut every connection; clients may reconnect."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut_before(self, api: Api, *, nth: int = 1) -> asyncio.Event:
        """Cut the connection at the nth request of a kind from now on, before the broker receives it.

        Returns:
            An event that is set when it happens.
        """
        self._cuts_before.append(cut := Cut(api, nth))
        return cut.struck

    def cut_after(self, api: Api, *, nth: int = 1) -> asyncio.Event:
        """Cut the connection at the nth request of a kind from now on, before the client receives the response.

        Returns:
            An event that is set when it happens.
        """
        self._cuts_after.append(cut := Cut(api, nth))
        return cut.struck

    # -- traffic

    async def _serve(self, client_in: StreamReader, client_out: StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None, "a connection is a task"
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        with _aborted_at_the_end(client_out), contextlib.suppress(asyncio.CancelledError, OSError):
            await self._flowing.wait()
            broker_in, broker_out = await asyncio.open_connection("127.0.0.1", self._broker_port)
            with _aborted_at_the_end(broker_out):
                await self._join(client_in, client_out, broker_in, broker_out)

    async def _join(
        self, client_in: StreamReader, client_out: StreamWriter, broker_in: StreamReader, broker_out: StreamWriter
    ) -> None:
        """Pass requests and responses on until either side closes or a cut strikes."""
        requests, responses, doomed = Messages(), Messages(), dict[int, Cut]()
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._receive(client_in, requests))
                ways.create_task(self._send(requests, broker_out, partial(self._ask, doomed)))
                ways.create_task(self._receive(broker_in, responses))
                ways.create_task(self._send(responses, client_out, partial(_answer, doomed)))
        except* (BrokenConnectionError, OSError):
            pass

    async def _receive(self, source: StreamReader, messages: Messages) -> None:
        try:
            while True:
                size = await source.readexactly(_SIZE.size)
                message = await source.readexactly(*_SIZE.unpack(size))
                messages.put_nowait((asyncio.get_running_loop().time() + self.delay_s, message))
        except IncompleteReadError:  # it has closed its side
            messages.put_nowait(None)

    async def _send(self, messages: Messages, sink: StreamWriter, look: Callable[[bytes], None]) -> None:
        while (entry := await messages.get()) is not None:
            due_s, message = entry
            await asyncio.sleep(due_s - asyncio.get_running_loop().time())
            await self._flowing.wait()
            look(message)
            sink.write(_SIZE.pack(len(message)) + message)
            await sink.drain()
        raise BrokenConnectionError

    def _ask(self, doomed: dict[int, Cut], request: bytes) -> None:
        """Inspect a request on its way to the broker."""
        api_key, _, correlation = _REQUEST.unpack_from(request)
        if (cut := _due(self._cuts_before, api_key)) is not None:
            cut.struck.set()
            raise BrokenConnectionError
        if (cut := _due(self._cuts_after, api_key)) is not None:
            doomed[correlation] = cut


def _answer(doomed: Mapping[int, Cut], response: bytes) -> None:
    """Inspect a response on its way to the client."""
    (correlation,) = _CORRELATION.unpack_from(response)
    if correlation in doomed:
        doomed[correlation].struck.set()
        raise BrokenConnectionError


def _due(cuts: list[Cut], api_key: int) -> Cut | None:
    """Count a request; return the cut that is due at it."""
    due = [cut for cut in cuts if cut.is_due_at(api_key)]
    for cut in due:
        cuts.remove(cut)
    return due[0] if due else None


@contextlib.contextmanager
def _aborted_at_the_end(stream: StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        stream.transport.abort()
