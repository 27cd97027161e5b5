"""Event streams over real connections."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web

from streamer.errors import ElsewhereError
from streamer.queries.events import Broadcast, Chunks, Streams, event
from streamer.queries.routes import EVENTS, Asked, Right, Route
from streamer.wire.views_access import Nothing
from tests.asking import Asker, asking, next_event
from tests.until import until

PATH: Final = "/api/v1/happens"


class Happening:
    """What is streamed: chunks that a test hands over one by one, and whether anybody still reads them."""

    def __init__(self) -> None:
        self.upcoming: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.num_reading = 0

    async def chunks(self) -> Chunks:
        self.num_reading += 1
        try:
            while (chunk := await self.upcoming.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.num_reading -= 1


def route_of(streams: Streams, happening: Happening) -> Route:
    async def follow(asked: Asked[Nothing]) -> web.StreamResponse:
        return await streams.answer(asked.request, happening.chunks())

    return Route("GET", PATH, Right.READ, "What happens.", follow, media=EVENTS)


@asynccontextmanager
async def reading(asker: Asker) -> AsyncIterator[aiohttp.ClientResponse]:
    async with asker.session.get(asker.url + PATH) as response:
        yield response


async def test_chunks_arrive_one_by_one_until_they_end() -> None:
    streams, happening = Streams(), Happening()
    async with asking([route_of(streams, happening)], streams=streams) as asker:
        happening.upcoming.put_nowait(event("play", {"n": 1}))
        async with reading(asker) as response:
            assert response.status == 200
            assert response.content_type == EVENTS
            assert response.headers["Cache-Control"] == "no-store"
            assert await response.content.readuntil(b"\n\n") == b'event: play\ndata: {"n":1}\n\n'
            happening.upcoming.put_nowait(event("play", {"n": 2}))
            assert await response.content.readuntil(b"\n\n") == b'event: play\ndata: {"n":2}\n\n'
            happening.upcoming.put_nowait(None)
            assert await response.content.read() == b""
        assert asker.counted(PATH, 200) == 1
    assert happening.num_reading == 0


async def test_an_error_before_the_first_chunk_has_a_status_and_a_later_one_is_an_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    streams, happening = Streams(), Happening()
    async with asking([route_of(streams, happening)], streams=streams) as asker:
        happening.upcoming.put_nowait(ElsewhereError(3))
        early = await asker.ask("GET", PATH)
        for error in (ElsewhereError(3), KeyError("somebody")):
            happening.upcoming.put_nowait(event("play", {}))
            happening.upcoming.put_nowait(error)
        late, unforeseen = [(await asker.ask("GET", PATH)).body for _ in range(2)]

    assert (early.status, early.code) == (503, "elsewhere")
    assert b'event: error\ndata: {"code":"elsewhere","message":"partition 3 is not answered here now; ' in late
    assert b'event: error\ndata: {"code":"internal",' in unforeseen
    assert f"question failed route={PATH} error=KeyError" in caplog.text
    assert "somebody" not in caplog.text + unforeseen.decode()


async def test_who_reads_events_passes_over_the_signs_of_life_between_them() -> None:
    streams, happening = Streams(keep_alive_s=0.01), Happening()
    async with asking([route_of(streams, happening)], streams=streams) as asker, reading(asker) as response:
        assert (await response.content.readuntil(b"\n\n")).startswith(b":")
        happening.upcoming.put_nowait(event("play", {"n": 1}))

        assert await next_event(response.content) == ("play", {"n": 1})


async def test_a_silent_stream_shows_that_it_lives() -> None:
    streams, happening = Streams(keep_alive_s=0.01), Happening()
    async with asking([route_of(streams, happening)], streams=streams) as asker, reading(asker) as response:
        assert await response.content.readuntil(b"\n\n") == b": still here\n\n"


async def test_a_chunk_that_its_reader_takes_costs_no_task() -> None:
    streams, happening, tasks = Streams(), Happening(), list[str]()

    def noting(loop: asyncio.AbstractEventLoop, work: Any) -> "asyncio.Task[Any]":
        tasks.append(repr(work))
        return asyncio.Task(work, loop=loop)

    async with asking([route_of(streams, happening)], streams=streams) as asker:
        happening.upcoming.put_nowait(event("play", {}))
        async with reading(asker) as response:
            await response.content.readuntil(b"\n\n")
            asyncio.get_running_loop().set_task_factory(noting)
            for _ in range(10):
                happening.upcoming.put_nowait(event("play", {}))
                await response.content.readuntil(b"\n\n")
            asyncio.get_running_loop().set_task_factory(None)

    assert tasks == []


async def test_a_reader_who_leaves_is_noticed_at_once() -> None:
    streams, happening = Streams(), Happening()
    happening.upcoming.put_nowait(event("play", {}))
    async with asking([route_of(streams, happening)], streams=streams) as asker:
        async with reading(asker) as response:
            await response.content.readuntil(b"\n\n")
            response.close()
        await until(lambda: happening.num_reading == 0, "nobody reads")


async def test_a_reader_who_takes_nothing_is_dropped() -> None:
    streams, happening = Streams(max_write_s=0.1), Happening()
    async with asking([route_of(streams, happening)], streams=streams) as asker, reading(asker):
        for _ in range(200):  # more than the buffers of both ends hold
            happening.upcoming.put_nowait(event("play", "x" * 100_000))
        await until(lambda: happening.num_reading == 0 and not happening.upcoming.empty(), "the reader is dropped")


async def test_one_stream_too_many_is_refused_and_one_that_ends_makes_room() -> None:
    streams, happening = Streams(max_streams=1), Happening()
    happening.upcoming.put_nowait(event("play", {}))
    async with asking([route_of(streams, happening)], streams=streams) as asker:
        async with reading(asker):
            refused = await asker.ask("GET", PATH)
        await until(lambda: happening.num_reading == 0, "nobody reads")
        happening.upcoming.put_nowait(None)
        accepted = await asker.ask("GET", PATH)

    assert (refused.status, refused.code, accepted.status) == (429, "busy", 200)


async def test_closing_ends_every_stream_and_refuses_further_ones() -> None:
    streams, happening = Streams(), Happening()
    happening.upcoming.put_nowait(event("play", {}))
    async with asking([route_of(streams, happening)], streams=streams) as asker:
        async with reading(asker) as response:
            await response.content.readuntil(b"\n\n")
            streams.close()
            assert await response.content.read() == b""
        refused = await asker.ask("GET", PATH)

    assert (refused.status, refused.code) == (503, "moving")


async def test_a_broadcast_reaches_all_who_listen_and_drops_who_falls_behind(caplog: pytest.LogCaptureFixture) -> None:
    broadcast = Broadcast(max_waiting=2)
    quick, slow = broadcast.listen(), broadcast.listen()
    first = [asyncio.ensure_future(anext(each)) for each in (quick, slow)]
    await until(lambda: broadcast.num_listening == 2, "both listen")

    for number in range(4):
        broadcast.publish(b"%d" % number)
        assert await (first[0] if number == 0 else anext(quick)) == b"%d" % number

    assert broadcast.num_listening == 1
    assert [await first[1], *[chunk async for chunk in slow]] == [b"0", b"1", b"2"]
    await quick.aclose()
    assert broadcast.num_listening == 0
    assert caplog.records == [record for record in caplog.records if record.levelno < logging.WARNING]
