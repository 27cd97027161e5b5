"""Calls to what may be no worker: whoever may join the group can name any address in it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from streamer.queries.calls import Calls, UnreachedError
from streamer.queries.routes import EVENTS, JSON

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stranger:
    """A server that answers as it is told to, and notes the requests that reach it."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        return await _ANSWERS[request.path](request)


async def _well(request: web.Request) -> web.StreamResponse:
    return web.Response(body=await request.read(), content_type=JSON, headers={"Set-Cookie": "a=b"})


async def _away(_: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect("/well")


async def _page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="secret", content_type="text/html")


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": JSON})
    await response.prepare(request)
    while True:
        await response.write(b" " * (1 << 18))


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _torn(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": EVENTS})
    await response.prepare(request)
    await response.write(b"event: listener\ndata: 1\n\nevent: listener\nda")
    return response


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": EVENTS})
    await response.prepare(request)
    await response.write(b"event: listener\ndata: 1\n\ndata: " + b"1" * (2 << 20) + b"\n\n")
    return response


_ANSWERS: dict[str, Handler] = {
    "/well": _well, "/away": _away, "/page": _page, "/endless": _endless, "/silent": _silent, "/torn": _torn,
    "/huge": _huge,
}  # fmt: skip


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    stranger, app = Stranger(), web.Application()
    app.router.add_route("*", "/{rest:.*}", stranger.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stranger.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stranger
    await runner.cleanup()


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    calls = Calls()
    yield calls
    await calls.close()


async def test_an_answer_comes_with_the_headers_that_were_given_and_no_others_that_tell(
    stranger: Stranger, calls: Calls
) -> None:
    for _ in range(2):
        called = await calls.ask("POST", f"{stranger.url}/well", {"Authorization": "Bearer t"}, b"[1]", limit_s=30)

    assert (called.status, called.body, called.stream) == (200, b"[1]", None)
    seen = dict(stranger.seen[-1].headers)
    assert seen.pop("Host").startswith("127.0.0.1:")
    assert seen == {
        "Authorization": "Bearer t", "Content-Type": JSON, "Content-Length": "3", "User-Agent": "refrain",
        "Accept": "*/*", "Accept-Encoding": "identity",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/away", "answers 307 and no application/json"),
        ("/page", "answers 200 and no application/json"),
        ("/endless", "answers with more than 4194304 bytes"),
        ("/nothing", "answers 500 and no application/json"),
        ("/silent", "does not answer within 0.2 s"),
    ],
)
async def test_what_no_worker_answers_is_passed_on_to_nobody(
    stranger: Stranger, calls: Calls, path: str, says: str
) -> None:
    with pytest.raises(UnreachedError, match=says):
        await calls.ask("GET", f"{stranger.url}{path}", {}, limit_s=0.2 if path == "/silent" else 60)

    assert [request.path for request in stranger.seen] == [path]


async def test_where_nobody_listens_the_cause_is_said(calls: Calls, unused_tcp_port: int) -> None:
    with pytest.raises(UnreachedError, match=r"cannot be reached \(Connection refused\)"):
        await calls.ask("GET", f"http://127.0.0.1:{unused_tcp_port}/", {}, limit_s=30)


@pytest.mark.parametrize("path", ["/torn", "/huge"])
async def test_a_stream_yields_whole_events_until_it_breaks(stranger: Stranger, calls: Calls, path: str) -> None:
    called = await calls.ask("POST", f"{stranger.url}{path}", {}, b"{}", limit_s=30)
    assert called.stream is not None
    events = [event async for event in called.stream.events()]
    called.stream.close()

    assert events == [b"event: listener\ndata: 1\n\n"]
