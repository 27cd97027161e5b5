"""What benchmarks on a real Kafka share: settings, a release with both stages, and plays of listeners."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from models.config import TrainingConfig
from models.release import save_release
from models.release_files import DataWindow
from models.release_folder import Folder
from streamer.bench.world import CLUSTER, MAX_NEIGHBOURS, make_recommender
from streamer.kafka.connection import Connection
from streamer.kafka.topics import ensure_topics
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import ReleaseNotice

PARTITIONS: Final = 4
_FIRST_PLAY_MS: Final = 1_700_000_000_000
_RUN: Final = 8  # plays of one cluster in a row


class Plays(NamedTuple):
    """Plays in the order in which they are sent: keys and values of their records."""

    users: list[bytes]
    values: list[bytes]


def settings_of(bootstrap_servers: str, directory: Path, app_id: str, **changes: Any) -> Settings:
    """Return the settings of a worker of its own group, on a release folder that all share."""
    return Settings.model_validate(
        {
            "kafka_bootstrap_servers": bootstrap_servers,
            "app_id": app_id,
            "state_dir": directory / app_id,
            "releases_url": str(directory / "releases"),
            "partitions": PARTITIONS,
            "short_term_topic": f"{app_id}.short-term",
            "long_term_topic": f"{app_id}.long-term",
            "web_port": 0,
            "device": "cpu",
        }
        | changes
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
    changed = settings.model_dump(mode="json", exclude_unset=True)
    return own | {f"REFRAIN_{name.upper()}": str(value) for name, value in changed.items()}


async def prepare(settings: Settings, num_tracks: int) -> str:
    """Create the topics, and make a release of the world the champion; return where it is."""
    await ensure_topics(settings)
    created_at_ms = int(time.time() * 1000)
    saved = save_release(
        Folder(settings.releases_url), make_recommender(
            num_tracks, max_neighbours=MAX_NEIGHBOURS, index_above=settings.index_above
        ),
        training=TrainingConfig(), metrics={}, data_window=DataWindow(0, created_at_ms, 1, 1),
        created_at_ms=created_at_ms,
    )  # fmt: skip
    notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
    await move_alias(Connection.parse(settings.kafka_bootstrap_servers), settings.releases_topic, notice)
    return saved.location


def encode_plays(
    listeners: NDArray[np.int64], tracks: NDArray[np.int64], *, first_at_ms: int = _FIRST_PLAY_MS
) -> Plays:
    """Write plays as JSON; the time of a play tells its place: a millisecond after the play before it."""
    users = [b"listener-%07d" % listener for listener in listeners.tolist()]
    encode = msgspec.json.Encoder().encode
    return Plays(
        users,
        [
            encode({"user_id": user.decode(), "track_id": f"track-{track:08d}", "played_at": first_at_ms + place})
            for place, (user, track) in enumerate(zip(users, tracks.tolist(), strict=True))
        ],
    )


def draw_tracks(rng: np.random.Generator, num_plays: int, num_tracks: int) -> NDArray[np.int64]:
    """Draw tracks as listeners play them: runs of one cluster, popular tracks most often."""
    num_runs = -(-num_plays // _RUN)
    clusters = np.minimum(rng.zipf(1.3, num_runs) - 1, -(-num_tracks // CLUSTER) - 1)
    tracks: NDArray[np.int64] = (
        np.repeat(clusters, _RUN)[:num_plays] * CLUSTER + (rng.zipf(1.2, num_plays) - 1) % CLUSTER
    )
    return np.minimum(tracks, num_tracks - 1)


def histories(num_listeners: int, num_plays: int, num_tracks: int) -> Plays:
    """Write the past of each listener, one listener after the other, so that a batch folds it quickly."""
    listeners = np.repeat(np.arange(num_listeners), num_plays)
    return encode_plays(listeners, draw_tracks(np.random.default_rng(3), len(listeners), num_tracks))


@asynccontextmanager
async def producing(bootstrap_servers: str, linger_ms: int = 20) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer that fills batches."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=linger_ms, max_batch_size=1 << 18)
    async with producer:
        yield producer


async def send(bootstrap_servers: str, topic: str, plays: Plays) -> None:
    """Send plays, keyed by listener, and wait until all are written."""
    async with producing(bootstrap_servers) as producer:
        for user, value in zip(plays.users, plays.values, strict=True):
            await producer.send(topic, value, user)


def size_of(directories: Iterable[Path]) -> int:
    """Return the bytes of all files below some directories."""
    return sum(path.stat().st_size for root in directories for path in root.glob("**/*") if path.is_file())
