"""Calls: questions that a worker asks another one over HTTP, bounded in time and size, and without trust.

Whoever may join the group of the workers can name any address in it. So a call goes to the paths of this API alone,
follows no redirect, keeps no cookie, heeds no proxy of the environment, and passes on nothing but JSON and events.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from streamer.queries.routes import EVENTS, JSON

#: Of an answer: a view of a listener has some 100 KB.
_MAX_ANSWER_BYTES: Final = 4 << 20
_MAX_EVENT_BYTES: Final = 1 << 20

_CONNECT_LIMIT_S: Final = 2.0

#: A worker sends an event, or a sign of life, each 15 seconds.
_SILENCE_LIMIT_S: Final = 40.0

_END_OF_EVENT: Final = b"\n\n"


class UnreachedError(Exception):
    """Raised when an address does not answer as a worker does; says how, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Called:
    """The answer to a call.

    Attributes:
        status: of HTTP.
        body: JSON; of a stream: empty.
        stream: to be closed; None unless the answer is one.
    """

    status: int
    body: bytes
    stream: "Stream | None" = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of events."""

    response: aiohttp.ClientResponse

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield each event whole, until the stream ends, breaks off, is silent or has too large a one."""
        rest = b""
        try:
            async for piece in self.response.content.iter_any():
                *events, rest = (rest + piece).split(_END_OF_EVENT)
                for event in events:
                    yield event + _END_OF_EVENT
                if len(rest) > _MAX_EVENT_BYTES:
                    return
        except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            return

    def close(self) -> None:
        """Read nothing more."""
        self.response.close()


class Calls:
    """Makes calls; connections are kept for the next one."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()
            self._session = None

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, limit_s: float
    ) -> Called:
        """Ask, and wait for the answer, or for the beginning of a stream.

        Raises:
            UnreachedError: there is no answer within the limit, or none that a worker gives.
        """
        try:
            async with asyncio.timeout(limit_s):
                response = await self._opened().request(
                    method, url, headers={**headers, **_CONTENT} if body else headers, data=body, allow_redirects=False
                )
                if response.content_type == EVENTS and response.ok:
                    return Called(response.status, b"", Stream(response))
                async with response:
                    return Called(response.status, await _read(response))
        except TimeoutError as exc:
            raise UnreachedError(f"does not answer within {limit_s:g} s") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise UnreachedError(f"cannot be reached ({_cause(exc)})") from exc

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            limits = aiohttp.ClientTimeout(sock_connect=_CONNECT_LIMIT_S, sock_read=_SILENCE_LIMIT_S)
            self._session = aiohttp.ClientSession(
                auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS, timeout=limits
            )
        return self._session


_CONTENT: Final = {"Content-Type": JSON}
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "refrain"}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer.

    Raises:
        UnreachedError: it is no JSON, or too large.
    """
    if response.content_type != JSON:
        raise UnreachedError(f"answers {response.status} and no {JSON}, as a worker of another version, or none")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            raise UnreachedError(f"answers with more than {_MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _cause(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    return os.strerror(number) if number and number > 0 else str(cause) or type(cause).__name__
