"""A running system for drills: its processes at known ports, and the plays that reach it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from models.release import SavedRelease
from tests.builders import play_value, save_tiny_release
from tests.hostile.commands import Command, Commands
from tests.until import until

#: Makes the bytes of the play of a number.
MakePlay = Callable[[int], bytes]

_PORT: Final[Mapping[str, str]] = {"worker": "WEB_PORT", "second-worker": "WEB_PORT", "trainer": "TRAINER_WEB_PORT"}


def at_port(name: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the settings by which a process serves its metrics where Prometheus looks for them."""
    return {_PORT[name]: str(ports[name])}


def start(commands: Commands, name: str, ports: Mapping[str, int], *, sabotage: str = "", **settings: str) -> Command:
    """Start the worker, the trainer, or a second worker with a state directory of its own."""
    if name == "second-worker":
        settings = {"STATE_DIR": f"{commands.environment['STATE_DIR']}-2", **settings}
    program = name.removeprefix("second-")
    return commands.start(program, sabotage=sabotage, **at_port(name, ports), **settings)


@asynccontextmanager
async def orchestrated(begin: Callable[[], Command]) -> AsyncIterator[None]:
    """Start a process, and again whenever it ends, as an orchestrator does; at the end, stop it."""
    running = [begin()]

    async def restart() -> None:
        while True:
            await until(lambda: running[-1].status is not None, "it ends", deadline_s=3600)
            running.append(begin())

    task = asyncio.create_task(restart())
    try:
        yield
    finally:
        task.cancel()
        await running[-1].stopped()


def play_of(track: str, *, user: str = "u", played_at: int | None = None) -> bytes:
    """Make a play, which happens now unless it says otherwise."""
    return play_value(user, track, time.time_ns() // 1_000_000 if played_at is None else played_at)


@asynccontextmanager
async def playing(commands: Commands, make: MakePlay, *, per_s: float = 5.0, at_once: int = 0) -> AsyncIterator[None]:
    """Produce plays meanwhile, to both partitions in turn, some of them at once."""
    task = asyncio.create_task(_play(commands, make, per_s, at_once))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):  # whatever else has ended it is raised
            await task


async def _play(commands: Commands, make: MakePlay, per_s: float, at_once: int) -> None:
    kafka, topic = commands.environment["KAFKA_BOOTSTRAP_SERVERS"], commands.environment["PLAYS_TOPIC"]
    async with AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=900_000) as producer:
        started_s, number = time.monotonic(), 0
        while True:
            while number < at_once + (time.monotonic() - started_s) * per_s:
                value = make(number)
                await producer.send(topic, value, _key(value), partition=number % 2)
                number += 1
            await asyncio.sleep(0.05)  # the load itself


def _key(value: bytes) -> bytes:
    """Return the listener of a play, as producers key it; bad plays have one too."""
    found = re.search(rb'"user_id":"(\w+)"', value)
    return found[1] if found else b"u"


def save_good(releases: Path) -> SavedRelease:
    """Save a release of just now that knows the tracks t0 to t11."""
    return save_tiny_release(releases, created_at_ms=time.time_ns() // 1_000_000)


async def promote(commands: Commands, save: Callable[[Path], SavedRelease]) -> None:
    """Save a release and make it champion."""
    saved = save(Path(commands.environment["RELEASES_URL"]))
    command = commands.start("releases", "promote", saved.release_id)
    assert await command.ended() == 0, command.log
