"""What open pages cost a worker: CPU of a play without them and with ten: `python -m tests.bench.pages`.

A worker as an operator starts it, with a release with both stages and listeners with full rings, works through rounds
of plays at full speed. In every other round pages are open, each of which follows the events of the stream and a
listener. Listeners who are followed play every few seconds, many times as often as people do. CPU is that of the whole
worker, which also computes what the pages show. The last line is JSON.
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

from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.settings import Settings
from tests.bench.apart import cpu_s, print_line
from tests.bench.stage import Plays, draw_tracks, encode_plays, environment_of, histories, prepare, send, settings_of
from tests.until import until, until_awaited

_RING: Final = 64
_POLL_S: Final = 0.1
_PAUSE_S: Final = 0.2
_SETTLE_S: Final = 2.0


@dataclass
class Pages:
    """Pages that are open: their streams, and how many events of each kind those have brought."""

    session: aiohttp.ClientSession
    url: str
    events: Counter[str] = field(default_factory=Counter)
    num_open: int = 0

    @asynccontextmanager
    async def opened(self, users: list[str]) -> AsyncIterator[None]:
        """Open a page for each of some listeners, one after the other."""
        tasks = []
        for user in users:
            tasks.append(asyncio.create_task(self._read("GET", "events")))
            tasks.append(asyncio.create_task(self._read("POST", "listener/follow", {"user_id": user})))
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

    async def _read(self, method: str, path: str, question: dict[str, str] | None = None) -> None:
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

    async def work(self, plays: Plays) -> dict[str, float]:
        """Give the worker plays, and return what they cost it."""
        begun = await self.num_plays()
        begun_s, used_s = time.perf_counter(), cpu_s(self.worker.pid)
        await send(self.settings.kafka_bootstrap_servers, self.settings.plays_topic, plays)

        async def is_done() -> bool:
            return await self.num_plays() >= begun + len(plays.users)

        await until_awaited(is_done, "the plays are answered", deadline_s=600, period_s=_POLL_S)
        wall_s, used_s = time.perf_counter() - begun_s, cpu_s(self.worker.pid) - used_s
        return {"cpu_us": used_s / len(plays.users) * 1e6, "wall_s": wall_s}


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


async def measure(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    """Fill the rings, then alternate."""
    await prepare(settings, options.tracks)
    async with working(settings) as bench:
        await bench.work(histories(options.listeners, _RING, options.tracks))
        pages, rounds = Pages(bench.session, bench.url), {"without": list[dict[str, float]](), "with": []}
        for number in range(2 * options.rounds):
            plays = _draw(options, number)
            if number % 2:
                async with pages.opened(_followed(options)):
                    rounds["with"].append(await bench.work(plays))
            else:
                rounds["without"].append(await bench.work(plays))
            print_line(json.dumps({"pages": number % 2 * options.pages, **rounds[("without", "with")[number % 2]][-1]}))
    return _figures(rounds, pages.events, options.plays) | {
        name: getattr(options, name) for name in ("pages", "tracks", "listeners", "rounds")
    }


def _followed(options: argparse.Namespace) -> list[str]:
    return [f"listener-{number:07d}" for number in range(options.pages)]


def _draw(options: argparse.Namespace, number: int) -> Plays:
    """Draw the plays of a round; one in so many is of a listener who is followed, in turn."""
    rng = np.random.default_rng(number)
    listeners = rng.integers(options.pages, options.listeners, size=options.plays)
    listeners[:: options.every] = np.arange(len(listeners[:: options.every])) % options.pages
    now_ms = int(time.time() * 1000) - options.plays
    return encode_plays(listeners, draw_tracks(rng, options.plays, options.tracks), first_at_ms=now_ms)


def _figures(rounds: dict[str, list[dict[str, float]]], events: Counter[str], num_plays: int) -> dict[str, Any]:
    """Compare the cheapest rounds, in which the machine had the least else to do.

    Pages cost CPU by the second, not by the play. On a busy machine a round takes longer, and the ratio is too high;
    the share of a core is not: what rounds with pages took more than their neighbours, by the second, in the median.
    """
    without, with_pages = (np.array([each["cpu_us"] for each in rounds[name]]) for name in ("without", "with"))
    wall_s = np.array([each["wall_s"] for each in rounds["with"]])
    open_s = float(wall_s.sum()) + 2 * _SETTLE_S * len(with_pages)
    extra_s = (with_pages - without) * num_plays / 1e6
    return {
        "cpu_us_without": round(float(without.min()), 1),
        "cpu_us_with": round(float(with_pages.min()), 1),
        "ratio": round(float(with_pages.min() / without.min()), 4),
        "of_a_core": round(float(np.median(extra_s / wall_s)), 4),
        "events_per_s": {name: round(num / open_s, 1) for name, num in events.items()},
    }


def main() -> None:
    """Measure on a Kafka of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=8, help="with and without pages, each (%(default)s)")
    parser.add_argument("--plays", type=int, default=10_000, help="in a round")
    parser.add_argument("--every", type=int, default=2_500, help="one play in so many is of a listener who is followed")
    parser.add_argument("--tracks", type=int, default=12_000)
    parser.add_argument("--listeners", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, DevKafka() as kafka:
        settings = settings_of(kafka.bootstrap_servers, Path(directory), "bench-pages", web_port=free_port())
        print_line(json.dumps(asyncio.run(measure(settings, options))))


if __name__ == "__main__":
    main()
