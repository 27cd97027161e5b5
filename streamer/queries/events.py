"""Server-sent events: what a browser, or curl, reads as it happens, one line of JSON after the other.

A handler makes chunks with `event` in an asynchronous generator and returns `await streams.answer(request, chunks)`.
Whoever has the same events for many readers publishes them once, in a `Broadcast`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Final

import msgspec
from aiohttp import web

from streamer.errors import QueryError, RefrainError
from streamer.queries.problems import problem_of, unforeseen
from streamer.queries.routes import EVENTS

#: Open streams of a worker; more are refused.
MAX_STREAMS: Final = 32

#: Seconds of silence after which a comment shows that the stream lives: proxies end what is silent for a minute.
KEEP_ALIVE_S: Final = 15.0

#: Seconds that a reader has to make room for the next chunk.
MAX_WRITE_S: Final = 5.0

#: Chunks that may wait for a reader of a `Broadcast`.
MAX_WAITING: Final = 16

#: Bytes that HTTP puts around a chunk: its length, and two line breaks.
_MAX_FRAME_BYTES: Final = 32

#: Seconds that the first chunk may take before the status is sent: an error until then has a status of its own.
_FIRST_S: Final = 1.0

_HEADERS: Final = {
    "Content-Type": EVENTS,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx passes each event on at once
}

Chunks = AsyncGenerator[bytes, None]


def event(name: str, data: object) -> bytes:
    """Write an event; msgspec's JSON has no line breaks, which would end it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


class Streams:
    """The open event streams of a worker.

    Args:
        max_streams: the most that are open at once.
        keep_alive_s: seconds of silence after which a comment is sent.
        max_write_s: seconds after which a reader who takes nothing is dropped.
    """

    def __init__(
        self, max_streams: int = MAX_STREAMS, keep_alive_s: float = KEEP_ALIVE_S, max_write_s: float = MAX_WRITE_S
    ) -> None:
        self._max_streams, self._keep_alive_s, self._max_write_s = max_streams, keep_alive_s, max_write_s
        self._open: set[_Stream] = set()
        self._is_closed = False

    async def answer(self, request: web.Request, chunks: Chunks) -> web.StreamResponse:
        """Send chunks until they end, the reader leaves or falls behind, or the streams are closed.

        Raises:
            QueryError: too many streams are open, or the worker stops.
            RefrainError: the first chunk could not be made.
        """
        if self._is_closed:
            raise QueryError("moving", "the worker stops; ask again, another one takes over")
        if len(self._open) >= self._max_streams:
            raise QueryError("busy", f"{self._max_streams} event streams are open already; close one, or ask later")
        stream = _Stream(chunks, self._keep_alive_s, self._max_write_s)
        self._open.add(stream)
        try:
            return await stream.send(request)
        finally:
            self._open.discard(stream)

    def close(self) -> None:
        """End all streams now, and refuse further ones."""
        self._is_closed = True
        for stream in self._open:
            stream.end()


class _Stream:
    """One open stream: a task that passes chunks on, and a look at it once it may have been silent for too long.

    A chunk costs no task and no timer, unless it has to wait for its reader.
    """

    def __init__(self, chunks: Chunks, keep_alive_s: float, max_write_s: float) -> None:
        self._chunks, self._keep_alive_s, self._max_write_s = chunks, keep_alive_s, max_write_s
        self._first = self._passing = asyncio.ensure_future(anext(chunks, None))
        self._written_at_s = 0.0
        self._is_ended = False

    def end(self) -> None:
        self._is_ended = True
        self._passing.cancel()

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        try:
            await self._send(response, request)
        except (ConnectionError, TimeoutError):  # the reader has left, or takes nothing
            if request.transport:
                request.transport.abort()  # which cancels this task, so it comes last
        return response

    async def _send(self, response: web.StreamResponse, request: web.Request) -> None:
        try:
            await asyncio.wait({self._first}, timeout=_FIRST_S)
            if self._first.done() and not self._is_ended:
                self._first.result()
            await response.prepare(request)
            await self._pump(response, request)
        finally:
            self._passing.cancel()  # its error is sent, or nobody reads
            await asyncio.gather(self._first, self._passing, return_exceptions=True)
            await self._chunks.aclose()

    async def _pump(self, response: web.StreamResponse, request: web.Request) -> None:
        if self._is_ended:
            return
        clock = asyncio.get_running_loop().time
        self._written_at_s = clock()
        self._passing = asyncio.ensure_future(self._pass_on(response, request))
        while not self._passing.done():
            left_s = self._written_at_s + self._keep_alive_s - clock()
            if left_s > 0:
                await asyncio.wait({self._passing}, timeout=left_s)
            else:
                await self._write(response, request, b": still here\n\n")
        if not self._passing.cancelled():
            self._passing.result()

    async def _pass_on(self, response: web.StreamResponse, request: web.Request) -> None:
        upcoming: Awaitable[bytes | None] = self._first
        while True:
            try:
                chunk = await upcoming
            except RefrainError as exc:
                chunk, self._is_ended = event("error", problem_of(exc, is_settled=True)), True
            except Exception as exc:  # noqa: BLE001  the status is sent already, so that an event says it
                chunk, self._is_ended = event("error", unforeseen(exc, request.path)), True
            if chunk is None:
                return
            await self._write(response, request, chunk)
            if self._is_ended:
                return
            upcoming = anext(self._chunks, None)

    async def _write(self, response: web.StreamResponse, request: web.Request, chunk: bytes) -> None:
        self._written_at_s = asyncio.get_running_loop().time()
        if _has_room(request.transport, len(chunk)):
            await response.write(chunk)
            return
        async with asyncio.timeout(self._max_write_s):
            await response.write(chunk)


def _has_room(transport: asyncio.Transport | None, num_bytes: int) -> bool:
    """Say whether a connection takes bytes at once, whatever its reader does."""
    if transport is None:
        return False
    _, most = transport.get_write_buffer_limits()
    return transport.get_write_buffer_size() + num_bytes + _MAX_FRAME_BYTES <= most


class Broadcast:
    """Hands each chunk to all who listen; who falls behind is dropped, so that none is waited for."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._queues: set[asyncio.Queue[bytes | None]] = set()

    @property
    def num_listening(self) -> int:
        """How many listen: if nobody does, nothing need be computed."""
        return len(self._queues)

    def publish(self, chunk: bytes) -> None:
        """Hand a chunk to all who listen."""
        for queue in list(self._queues):
            if queue.qsize() < self._max_waiting:
                queue.put_nowait(chunk)
            else:
                self._queues.discard(queue)
                queue.put_nowait(None)

    async def listen(self) -> Chunks:
        """Yield what is published from now on, until the listener falls behind."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while (chunk := await queue.get()) is not None:
                yield chunk
        finally:
            self._queues.discard(queue)
