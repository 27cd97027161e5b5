"""A live stream for the page: workers, two releases, and listeners who play until it ends."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import structs

from streamer.demo.naming import name_tracks
from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.producers import create_producer
from streamer.kafka.topics import ensure_topics
from streamer.local.child import ChildProcess
from streamer.local.cluster import Cluster
from streamer.local.devkafka import DevKafka
from streamer.local.simulator import SimulatedPlay, simulate
from streamer.local.world import DAY_MS, World
from streamer.releases.promotion import Promoter
from streamer.releases.store import Store
from streamer.settings import Settings
from tests.page.learned import learn
from tests.until import wait_until

PARTITIONS: Final = 8
PLAYS_PER_S: Final = 200
_HISTORY_PLAYS: Final = 9_000
_START_DAYS_AGO: Final = 300  # listeners live faster than the clock, and must not reach it
_TICK_S: Final = 0.02
#: Of each wrong play; all of them are more than the page lists at once.
_TIMES_BAD: Final = 20
#: As producers get plays wrong: cut off, without a track, in seconds.
_BAD: Final = (
    b'{"user_id": "listener-000',
    b'{"user_id": "listener-0007", "played_at": 1790000000000}',
    b'{"user_id": "listener-0003", "track_id": "track-00017", "played_at": 1790000000}',
)
#: Has played as another listener did, and plays no more: what is shown of them stays.
RESTING: Final = "listener-at-rest"
NUM_BAD: Final = _TIMES_BAD * len(_BAD)


@dataclass(frozen=True)
class LiveStream:
    """What a test sees of it.

    Attributes:
        cluster: its workers.
        world: the listeners and their music.
    """

    cluster: Cluster
    world: World

    @contextmanager
    def another_worker(self, **settings: str) -> Iterator[str]:
        """Start a third worker with settings of its own; yield where it serves the page."""
        plain = dict(self.cluster._environment)
        self.cluster._environment |= {f"REFRAIN_{name.upper()}": text for name, text in settings.items()}
        self.cluster.start_worker(2)
        try:
            self.cluster.wait_ready()
            yield self.url(2)
        finally:
            self.cluster._environment = plain
            self.cluster._end("worker-2", ChildProcess.stop)

    def url(self, number: int = 0) -> str:
        """Return where a worker serves the page."""
        return self.cluster.worker_url(number)


@contextmanager
def live_stream(kafka: DevKafka, prefix: str, directory: Path) -> Iterator[LiveStream]:
    """Learn two releases from a history, send it, then send plays steadily until the test ends."""
    world = World.build(np.random.default_rng(5), 80, 600)
    start_ms = int(time.time() * 1000) - _START_DAYS_AGO * DAY_MS
    plays = simulate(world, np.random.default_rng(5), start_ms)
    history = list(islice(plays, _HISTORY_PLAYS))
    environment = environment_of(kafka, prefix, directory)
    settings = Settings.from_environment(environment)
    asyncio.run(_send_history(settings, world, history))
    for epochs in (1, 3):
        release = learn(history, world.music.track_ids, directory / "releases", epochs=epochs)
        asyncio.run(_promoter(settings).promote(release.release_id))
    with Cluster(environment, num_workers=2) as cluster:
        cluster.start_workers()
        cluster.wait_ready()
        with _playing(settings, plays):
            wait_until(lambda: cluster.total("refrain_plays_total") >= _HISTORY_PLAYS, "the history is answered")
            yield LiveStream(cluster, world)


def environment_of(kafka: DevKafka, prefix: str, directory: Path) -> dict[str, str]:
    """Return the environment of a deployment of its own."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("REFRAIN_")}
    names = {
        "APP_ID": prefix,
        "PLAYS_TOPIC": f"{prefix}.plays",
        "SHORT_TERM_TOPIC": f"{prefix}.short",
        "LONG_TERM_TOPIC": f"{prefix}.long",
        "DEAD_LETTER_TOPIC": f"{prefix}.dead",
        "RELEASES_TOPIC": f"{prefix}.releases",
        "CATALOGUE_TOPIC": f"{prefix}.catalogue",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "REPLICATION": 1,
        "PARTITIONS": PARTITIONS,
        "PARTITIONER": "murmur2",
        "STANDBYS": 1,
        "RELEASES_URL": directory / "releases",
    }
    return own | {f"REFRAIN_{name}": str(value) for name, value in names.items()}


def _promoter(settings: Settings) -> Promoter:
    return Promoter(connection_of(settings), settings.releases_topic, Store(settings.releases_url))


async def _send_history(settings: Settings, world: World, plays: Sequence[SimulatedPlay]) -> None:
    await ensure_topics(settings)
    await name_tracks(connection_of(settings), settings.catalogue_topic, world.music)
    async with running(create_producer(connection_of(settings), max_batch_bytes=1 << 17, linger_ms=2)) as producer:
        first = world.listeners.user_ids[0]
        resting = [structs.replace(play, user_id=RESTING) for play in plays if play.user_id == first]
        for play in (*plays, *resting):
            await producer.send(settings.plays_topic, msgspec.json.encode(play), play.user_id.encode())
        for value in _BAD * _TIMES_BAD:
            await producer.send(settings.plays_topic, value, b"listener-0007")
        await producer.flush()


@contextmanager
def _playing(settings: Settings, plays: Iterator[SimulatedPlay]) -> Iterator[None]:
    is_over = threading.Event()
    sending = threading.Thread(target=lambda: asyncio.run(_send_steadily(settings, plays, is_over)), name="listeners")
    sending.start()
    try:
        yield
    finally:
        is_over.set()
        sending.join()


async def _send_steadily(settings: Settings, plays: Iterator[SimulatedPlay], is_over: threading.Event) -> None:
    async with running(create_producer(connection_of(settings), max_batch_bytes=1 << 17, linger_ms=2)) as producer:
        due, last_s = 0.0, time.monotonic()
        while not is_over.is_set():
            await asyncio.sleep(_TICK_S)
            now_s = time.monotonic()
            due, last_s = due + PLAYS_PER_S * min(now_s - last_s, 1.0), now_s
            for play in islice(plays, int(due)):
                await producer.send(settings.plays_topic, msgspec.json.encode(play), play.user_id.encode())
            due -= int(due)
