"""What changes in the stream reaches whoever follows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from streamer.metrics import WorkerMetrics
from streamer.queries.events import MAX_WAITING, Streams
from streamer.queries.feed import Feed, feed_routes
from streamer.queries.figures import figure_routes
from streamer.queries.sampling import Sampling
from streamer.wire.views_figures import FiguresEvent, FiguresHistory
from tests.asking import Asker, asking
from tests.until import until


@dataclass
class Stream:
    """A worker whose seconds end when a test says so."""

    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    now_s: float = 1_700_000_000.0
    release: str | None = None

    def __post_init__(self) -> None:
        sampling = Sampling(self.metrics, lambda: self.release, lambda: 4, lambda: self.now_s)
        self.feed = Feed(sampling, "worker-0", lambda: self.release)

    def play(self, num_plays: int) -> None:
        self.metrics.plays.inc(num_plays)
        self.now_s += 1
        self.feed.sampling.sample()

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[Asker]:
        streams = Streams()
        task = asyncio.create_task(self.feed.run())
        async with asking(
            [*figure_routes(self.feed.sampling), *feed_routes(self.feed, streams)], streams=streams
        ) as asker:
            await asyncio.sleep(0)
            yield asker
        task.cancel()


@contextlib.asynccontextmanager
async def following(asker: Asker) -> AsyncIterator[aiohttp.StreamReader]:
    async with asker.session.get(f"{asker.url}/api/v1/events") as response:
        assert response.status == 200
        yield response.content


async def next_event(reader: aiohttp.StreamReader) -> tuple[str, Any]:
    name, data, end = [await asyncio.wait_for(reader.readline(), 30) for _ in range(3)]
    assert end == b"\n"
    return name.removeprefix(b"event: ").strip().decode(), msgspec.json.decode(data.removeprefix(b"data: "))


async def test_a_page_that_opens_is_told_what_is_known_and_then_each_second() -> None:
    stream = Stream(release="r1")
    stream.play(20)
    async with stream.served() as asker, following(asker) as reader:
        assert await next_event(reader) == ("release", {"release": "r1"})
        name, told = await next_event(reader)
        assert (name, told["merged"]["plays_per_s"], set(told["workers"])) == ("figures", 20, {"worker-0"})
        await until(lambda: stream.feed.num_following, "the page listens")

        stream.play(30)
        assert await next_event(reader) == ("release", {"release": "r1"})  # once more: it may have changed meanwhile
        assert (await next_event(reader))[1]["merged"]["plays_per_s"] == 30
        stream.release = "r2"
        stream.play(40)
        assert await next_event(reader) == ("release", {"release": "r2"})
        told = msgspec.convert((await next_event(reader))[1], FiguresEvent)
        stream.play(50)
        assert (await next_event(reader))[0] == "figures"

    assert (told.merged.plays_per_s, told.merged.release, told.merged.partitions) == (40, "r2", 4)
    assert told.workers == {"worker-0": told.merged}


async def test_who_falls_behind_is_dropped_and_the_others_go_on() -> None:
    stream = Stream()
    quick, slow = stream.feed.follow(), stream.feed.follow()
    task = asyncio.create_task(stream.feed.run())
    for each in (quick, slow):
        await anext(each)
    awaited = [asyncio.ensure_future(anext(each)) for each in (quick, slow)]
    await until(lambda: stream.feed.num_following == 2, "both listen")

    for number in range(MAX_WAITING + 2):
        stream.play(number)
        if number:
            awaited[0] = asyncio.ensure_future(anext(quick))
        assert b"plays_per_s" in await awaited[0]

    assert stream.feed.num_following == 1
    await awaited[1]
    assert len([chunk async for chunk in slow]) == MAX_WAITING
    task.cancel()


async def test_the_past_is_there_as_soon_as_a_page_opens() -> None:
    stream = Stream(release="r1")
    async with stream.served() as asker:
        early = await asker.ask("GET", "/api/v1/figures")
        for num_plays in (3, 4, 5):
            stream.play(num_plays)
        now = await asker.ask("GET", "/api/v1/figures")
        past = await asker.ask("GET", "/api/v1/figures/history")

    assert (early.status, early.code, early.headers["Retry-After"]) == (503, "moving", "1")
    assert (now.json["plays_per_s"], now.json["lag_plays"], now.json["release"]) == (5, None, "r1")
    history = msgspec.convert(past.json, FiguresHistory)
    assert (history.plays_per_s, history.at_ms[-1]) == ((3, 4, 5), now.json["at_ms"])
