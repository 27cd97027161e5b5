import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from yarl import URL

from streamer.runtime.web import WebServer


@dataclass
class Process:
    """A process that can be unhealthy or not ready."""

    unhealthy: str = ""
    unready: str = ""
    url: str = ""


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    registry, process = CollectorRegistry(), Process()
    Counter("refrain_plays", "Plays.", registry=registry).inc(5)
    server = WebServer(
        "127.0.0.1", 0, registry=registry, unhealthy=lambda: process.unhealthy, unready=lambda: process.unready
    )
    process.url = f"http://127.0.0.1:{await server.start()}"
    yield process
    await server.stop()


async def get(url: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text(), response.headers["Content-Type"]


async def test_metrics_are_served_as_prometheus_reads_them(process: Process) -> None:
    status, text, content_type = await get(f"{process.url}/metrics")

    assert status == 200
    assert "refrain_plays_total 5.0" in text
    assert content_type.startswith("text/plain; version=")


@pytest.mark.parametrize("page", ["healthz", "readyz"])
async def test_a_process_without_complaint_is_healthy_and_ready(process: Process, page: str) -> None:
    assert (await get(f"{process.url}/{page}"))[:2] == (200, "ok\n")


async def test_a_complaint_appears_on_its_own_page_as_long_as_it_holds(process: Process) -> None:
    process.unhealthy, process.unready = "no progress for 130 s: partition 3", "recovering"

    assert (await get(f"{process.url}/healthz"))[:2] == (503, "no progress for 130 s: partition 3\n")
    assert (await get(f"{process.url}/readyz"))[:2] == (503, "recovering\n")
    process.unhealthy = ""
    assert (await get(f"{process.url}/healthz"))[0] == 200


async def test_what_is_no_http_is_refused_and_fills_no_log(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    address = URL(process.url)

    for line in (b"GET /metrics HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", b"GET \x00 HTTP/9\r\n\r\n"):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(line)
        assert (await reader.readline()).startswith(b"HTTP/1.0 400")
        writer.close()

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_stopped_server_no_longer_answers() -> None:
    server = WebServer("127.0.0.1", 0, registry=CollectorRegistry(), unhealthy=str, unready=str)
    port = await server.start()

    await server.stop()

    with pytest.raises(aiohttp.ClientConnectionError):
        await get(f"http://127.0.0.1:{port}/healthz")
