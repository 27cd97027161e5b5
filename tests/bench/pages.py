"""What open pages cost a worker, as a share of a core: `python -m tests.bench.pages`.

A worker as an operator starts it, with a release with both stages and listeners with full rings, gets plays at a
steady rate. In every other window pages are open, each of which follows the events of the stream and a listener, as
the page does while no row is open (`--reasons`: as while one is); those who are followed play many times as often as
people do. CPU is that of the whole worker, with all its threads, so it holds what the pages cost beside the plays, on
their event loop and by taking the interpreter's lock from them.

Pages cost CPU by the second, so the figure is a share of a core: what a window with pages takes more by the second than
the two without around it, in the median of all windows, with its 95 % interval (bootstrap). At a steady rate below what
the worker can take, the plays of windows cost nearly the same; at full speed they would differ by more than pages cost.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
from aiokafka import AIOKafkaProducer

from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.settings import Settings
from tests.bench.apart import print_line
from tests.bench.machine import describe_load
from tests.bench.stage import (
    Plays,
    draw_tracks,
    encode_plays,
    environment_of,
    histories,
    prepare,
    producing,
    send,
    settings_of,
)
from tests.until import until, until_awaited

_RING: Final = 64
_POLL_S: Final = 0.1
_PAUSE_S: Final = 0.2
_SETTLE_S: Final = 2.0
_SENT_EVERY_S: Final = 0.05
_RESAMPLES: Final = 10_000


@dataclass
class Pages:
    """Pages that are open: their streams, and how many events of each kind those have brought."""

    session: aiohttp.ClientSession
    url: str
    reasons: bool
    events: Counter[str] = field(default_factory=Counter)
    num_open: int = 0

    @asynccontextmanager
    async def opened(self, users: list[str]) -> AsyncIterator[None]:
        """Open a page for each of some listeners, one after the other."""
        tasks = []
        for user in users:
            tasks.append(asyncio.create_task(self._read("GET", "events")))
            question = {"user_id": user, "reasons": self.reasons}
            tasks.append(asyncio.create_task(self._read("POST", "listener/follow", question)))
            await asyncio.sleep(_PAUSE_S)
        await until(lambda: self.num_open == len(tasks), "all pages are open")
        await asyncio.sleep(_SETTLE_S)
        try:
            yield
        finally:
            for task in tasks:
                if task.done():
                    task.result()
                task.cancel()
            await asyncio.sleep(_SETTLE_S)

    async def _read(self, method: str, path: str, question: dict[str, Any] | None = None) -> None:
        """Count the events of a stream; if too much is asked at once, ask again later, as a page does."""
        while True:
            async with self.session.request(method, f"{self.url}/api/v1/{path}", json=question) as response:
                if response.status != HTTPStatus.TOO_MANY_REQUESTS:
                    response.raise_for_status()
                    self.num_open += 1
                    try:
                        await self._count(response.content)
                    finally:
                        self.num_open -= 1
                    raise EOFError(f"the stream of {path} ended")
            await asyncio.sleep(1)

    async def _count(self, lines: aiohttp.StreamReader) -> None:
        async for line in lines:
            if line.startswith(b"event: "):
                self.events[line[7:].decode().strip()] += 1


@dataclass(frozen=True)
class Bench:
    """A worker that runs, and what asks it."""

    worker: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    settings: Settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.web_port}"

    async def num_plays(self) -> int:
        """Return how many plays the worker has answered."""
        async with self.session.get(f"{self.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith("refrain_plays_total "))))

    async def fill(self, plays: Plays) -> None:
        """Give the worker plays, and wait until they are answered."""
        await send(self.settings.kafka_bootstrap_servers, self.settings.plays_topic, plays)

        async def is_done() -> bool:
            return await self.num_plays() >= len(plays.users)

        await until_awaited(is_done, "the plays are answered", deadline_s=600, period_s=_POLL_S)

    async def watch(self, seconds: float) -> dict[str, float]:
        """Measure the worker for some seconds."""
        plays, begun_s, used_s = await self.num_plays(), time.perf_counter(), _cpu_s(self.worker.pid)
        await asyncio.sleep(seconds)
        used_s, wall_s = _cpu_s(self.worker.pid) - used_s, time.perf_counter() - begun_s
        return {"of_a_core": used_s / wall_s, "plays_per_s": (await self.num_plays() - plays) / wall_s}


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Bench]:
    """Run a worker."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamer", "worker", env=environment_of(settings), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            bench = Bench(process, session, settings)

            async def is_ready() -> bool:
                try:
                    async with session.get(f"{bench.url}/readyz") as response:
                        return response.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until_awaited(is_ready, "the worker is ready", deadline_s=300)
            yield bench
    finally:
        process.kill()
        await process.wait()


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process, ended threads included, exact to a nanosecond; see clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


async def measure(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    """Fill the rings, then alternate."""
    await prepare(settings, options.tracks)
    async with working(settings) as bench, producing(settings.kafka_bootstrap_servers) as producer:
        await bench.fill(histories(options.listeners, _RING, options.tracks))
        playing = asyncio.create_task(_play(producer, settings.plays_topic, options))
        await asyncio.sleep(_SETTLE_S)
        pages = Pages(bench.session, bench.url, options.reasons)
        windows = [await _window(bench, pages, number % 2, options) for number in range(2 * options.windows + 1)]
        playing.cancel()
    return compare(windows, pages.events, options) | {
        name: getattr(options, name)
        for name in ("pages", "reasons", "tracks", "listeners", "windows", "window_s", "rate")
    }


async def _window(bench: Bench, pages: Pages, is_open: int, options: argparse.Namespace) -> dict[str, float]:
    """Measure a window with pages or without."""
    if is_open:
        async with pages.opened(_followed(options)):
            window = await bench.watch(options.window_s)
    else:
        window = await bench.watch(options.window_s)
    print_line(json.dumps({"pages": is_open * options.pages, **window}))
    return window


def _followed(options: argparse.Namespace) -> list[str]:
    return [f"listener-{number:07d}" for number in range(options.pages)]


async def _play(producer: AIOKafkaProducer, topic: str, options: argparse.Namespace) -> None:
    """Send plays at a steady rate, until cancelled."""
    num_sent, begun_s = 0, time.perf_counter()
    while True:
        await asyncio.sleep(_SENT_EVERY_S)
        num_due = int((time.perf_counter() - begun_s) * options.rate)
        plays = _draw(options, num_sent, num_due)
        for user, value in zip(plays.users, plays.values, strict=True):
            await producer.send(topic, value, user)
        num_sent = num_due


def _draw(options: argparse.Namespace, first: int, end: int) -> Plays:
    """Draw plays; one in so many is of a listener who is followed, in turn."""
    rng, places = np.random.default_rng(first), np.arange(first, end)
    every = round(options.gap_s * options.rate / options.pages)
    others = rng.integers(options.pages, options.listeners, size=len(places))
    listeners = np.where(places % every == 0, places // every % options.pages, others)
    return encode_plays(listeners, draw_tracks(rng, len(places), options.tracks), first_at_ms=int(time.time() * 1000))


def compare(windows: list[dict[str, float]], events: Counter[str], options: argparse.Namespace) -> dict[str, Any]:
    """Compare each window with pages with the two around it, which cancels what changes slowly."""
    used = np.array([window["of_a_core"] for window in windows])
    extra = used[1::2] - (used[:-2:2] + used[2::2]) / 2
    drawn = np.random.default_rng(0).choice(extra, (_RESAMPLES, len(extra)))
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    open_s = (options.window_s + _SETTLE_S) * len(extra)
    return {
        "of_a_core": round(float(np.median(extra)), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "of_a_core_without": round(float(np.median(used[::2])), 4),
        "plays_per_s": round(float(np.median([window["plays_per_s"] for window in windows])), 1),
        "events_per_s": {name: round(num / open_s, 1) for name, num in events.items()},
        "load": describe_load(),
    }


def main() -> None:
    """Measure on a Kafka of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--reasons", action="store_true", help="ask why each track is in the lists")
    parser.add_argument("--windows", type=int, default=20, help="with pages; one more without (%(default)s)")
    parser.add_argument("--window-s", type=float, default=6.0, help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="plays a second (%(default)s)")
    parser.add_argument("--gap-s", type=float, default=8.0, help="between plays of a listener who is followed")
    parser.add_argument("--tracks", type=int, default=12_000)
    parser.add_argument("--listeners", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, DevKafka() as kafka:
        settings = settings_of(kafka.bootstrap_servers, Path(directory), "bench-pages", web_port=free_port())
        print_line(json.dumps(asyncio.run(measure(settings, options))))


if __name__ == "__main__":
    main()
