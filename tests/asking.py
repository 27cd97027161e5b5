"""Questions to a server of routes, as a browser or curl asks them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry

from streamer.metrics import WorkerMetrics
from streamer.queries.assets import Assets
from streamer.queries.door import Door
from streamer.queries.events import Streams
from streamer.queries.routes import Route
from streamer.queries.server import Queries
from streamer.runtime.web import WebServer

_EVENT_S: Final = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back; `json` is None if it was no JSON."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any

    @property
    def code(self) -> str:
        """The code of a refusal."""
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) - {"partition"} == {"code", "message"}
        assert self.json["error"]["message"]
        return str(self.json["error"]["code"])


@dataclass(frozen=True)
class Asker:
    """Asks the server at `url`."""

    url: str
    session: aiohttp.ClientSession
    registry: CollectorRegistry

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any) -> Answer:
        async with self.session.request(method, self.url + path, headers=headers, **request) as response:
            body = await response.read()
            is_json = bool(body) and response.content_type == "application/json"
            return Answer(response.status, response.headers, body, await response.json() if is_json else None)

    def counted(self, route: str, status: int) -> float | None:
        labels = {"route": route, "status": str(status)}
        return self.registry.get_sample_value("refrain_queries_total", labels)


async def next_event(reader: aiohttp.StreamReader) -> tuple[str, Any]:
    """Read the next event of a stream: its name, and its data; comments, which only keep it alive, are passed over."""
    while (chunk := await asyncio.wait_for(reader.readuntil(b"\n\n"), _EVENT_S)).startswith(b":"):
        pass
    name, data = chunk.rstrip().split(b"\n")
    return name.removeprefix(b"event: ").decode(), msgspec.json.decode(data.removeprefix(b"data: "))


@asynccontextmanager
async def asking(
    routes: Sequence[Route] = (),
    *,
    door: Door | None = None,
    streams: Streams | None = None,
    page: Path = Path("nowhere"),
    is_settled: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Asker]:
    """Serve routes on a free port."""
    metrics = WorkerMetrics()
    assets = Assets.read(page)
    queries = Queries(routes, door or Door(), streams or Streams(), assets, metrics.queries, is_settled)
    async with asking_of(queries, metrics.registry) as asker:
        yield asker


@asynccontextmanager
async def asking_of(queries: Queries, registry: CollectorRegistry) -> AsyncIterator[Asker]:
    """Serve queries that are built already."""
    server = WebServer("127.0.0.1", 0, registry=registry, unhealthy=str, unready=str, extend=queries.extend)
    url = f"http://127.0.0.1:{await server.start()}"
    try:
        async with aiohttp.ClientSession() as session:
            yield Asker(url, session, registry)
    finally:
        queries.close()
        await server.stop()
