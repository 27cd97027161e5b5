"""Processes that end themselves, and recorded listening in miniature."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pytest
import pytest_asyncio

from models.plays.split import Plays
from streamer.local.devkafka import DevKafka
from streamer.recordings.plays import RecordedPlays
from streamer.worker import engine
from tests.office import Office, opened_office

NUM_USERS, NUM_TRACKS, ALBUM_TRACKS = 12, 40, 8
TRACK_IDS = tuple(f'track "{number}" é' for number in range(NUM_TRACKS))
DrawListening = Callable[..., RecordedPlays]


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """Let no command that a test runs in this process set the level of the tests after it."""
    level = logging.getLogger("streamer").level
    yield
    logging.getLogger("streamer").setLevel(level)


@pytest.fixture(scope="session")
def draw_listening() -> DrawListening:
    """Plays in file order: by listener. The last tracks appear only late, so that some plays are cold."""

    def draw(num_plays: int = 600, *, seed: int = 1) -> RecordedPlays:
        rng = np.random.default_rng(seed)
        users = np.sort(rng.integers(0, NUM_USERS, num_plays))
        albums = rng.integers(0, NUM_TRACKS // ALBUM_TRACKS - 1, num_plays // ALBUM_TRACKS + 1)
        tracks = (ALBUM_TRACKS * np.repeat(albums, ALBUM_TRACKS) + np.tile(np.arange(ALBUM_TRACKS), len(albums)))[
            :num_plays
        ]
        progress = np.concatenate([np.linspace(0, 1, count) for count in np.bincount(users, minlength=NUM_USERS)])
        tracks[progress > 0.95] = NUM_TRACKS - 1
        played_at_ms = 1_400_000_000_000 + ((90 * progress + users) * 86_400_000).astype(np.int64)
        plays = Plays(users, tracks, TRACK_IDS, played_at_ms)
        return RecordedPlays(plays, tuple(f"user {number} ü" for number in range(NUM_USERS)))

    return draw


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an engine's crash raise SystemExit, since the real one would end the test run too."""

    def exit_test(reason: str, cause: BaseException | None = None) -> None:
        raise SystemExit(reason) from cause

    monkeypatch.setattr(engine, "crash", exit_test)


@pytest_asyncio.fixture
async def office(kafka: DevKafka, topic_prefix: str) -> AsyncIterator[Office]:
    async with opened_office(kafka, topic_prefix) as opened:
        yield opened
