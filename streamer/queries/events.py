"""Server-sent events: what a browser, or curl, reads as it happens, one line of JSON after the other.

A handler makes chunks with `event` in an asynchronous generator and returns `await streams.answer(request, chunks)`.
Whoever has the same events for many readers publishes them once, in a `Broadcast`.
"""

import asyncio
from collections.abc import AsyncGenerator
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
    """One open stream."""

    def __init__(self, chunks: Chunks, keep_alive_s: float, max_write_s: float) -> None:
        self._chunks, self._keep_alive_s, self._max_write_s = chunks, keep_alive_s, max_write_s
        self._upcoming = asyncio.ensure_future(anext(chunks, None))
        self._is_ended = False

    def end(self) -> None:
        self._is_ended = True
        self._upcoming.cancel()

    async def send(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        try:
            await asyncio.wait({self._upcoming}, timeout=_FIRST_S)
            if self._upcoming.done() and not self._is_ended:
                self._upcoming.result()
            await response.prepare(request)
            await self._pump(response, request.path)
        except (ConnectionError, TimeoutError):  # the reader has left, or takes nothing
            if request.transport:
                request.transport.abort()
        finally:
            self._upcoming.cancel()
            await asyncio.gather(self._upcoming, return_exceptions=True)  # an error is sent, or nobody reads
            await self._chunks.aclose()
        return response

    async def _pump(self, response: web.StreamResponse, path: str) -> None:
        while not self._is_ended:
            await asyncio.wait({self._upcoming}, timeout=self._keep_alive_s)
            if self._is_ended:
                return
            if not self._upcoming.done():
                await self._write(response, b": still here\n\n")
                continue
            try:
                chunk = self._upcoming.result()
            except RefrainError as exc:
                chunk, self._is_ended = event("error", problem_of(exc, is_settled=True)), True
            except Exception as exc:  # noqa: BLE001  the status is sent already, so that an event says it
                chunk, self._is_ended = event("error", unforeseen(exc, path)), True
            if chunk is None:
                return
            await self._write(response, chunk)
            if not self._is_ended:
                self._upcoming = asyncio.ensure_future(anext(self._chunks, None))

    async def _write(self, response: web.StreamResponse, chunk: bytes) -> None:
        async with asyncio.timeout(self._max_write_s):
            await response.write(chunk)


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
