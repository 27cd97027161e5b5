"""What a trainer says before the first release."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.archive.archive import Archive
from streamer.archive.plays import SCHEMA
from streamer.metrics import TrainerMetrics
from streamer.training.first_release import FirstRelease
from streamer.training.triggers import Thresholds
from streamer.wire.messages import ReleaseNotice

THRESHOLDS = Thresholds(min_plays=2000, max_wait_s=7200, drift_plays=20)


@pytest.fixture
def now_s() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def archive(tmp_path: Path, now_s: list[float]) -> Iterator[Archive]:
    with Archive(tmp_path, clock=lambda: now_s[0]) as archive:
        yield archive


def play(archive: Archive, *users: str) -> None:
    rows = [
        {
            "user_id": user,
            "track_id": "t",
            "played_at_ms": 0,
            "context": 0,
            "skipped": False,
            "partition": 0,
            "offset": n,
        }
        for n, user in enumerate(users)
    ]
    archive.append(SCHEMA.empty_table().from_pylist(rows, SCHEMA), {0: len(users)})


async def none_yet() -> ReleaseNotice | None:
    return None


async def one() -> ReleaseNotice | None:
    return ReleaseNotice("r1", "/releases/r1", "0" * 64)


async def test_plays_and_listeners_are_counted_against_what_is_needed(
    archive: Archive, now_s: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    metrics = TrainerMetrics()
    first = FirstRelease(THRESHOLDS, archive, metrics, none_yet, lambda: now_s[0])

    await first.look()
    await first.look()
    assert "plays awaited num=0 of=2000 listeners=0 of_listeners=10: there is no release yet; none has" in caplog.text

    play(archive, "ann", "bob", "ann")
    now_s[0] += 600
    await first.look()

    assert caplog.text.count("plays awaited") == 2
    assert "num=3 of=2000 listeners=2 of_listeners=10" in caplog.text
    assert "(REFRAIN_TRAIN_MIN_PLAYS), and with fewer in 110 min (REFRAIN_TRAIN_MAX_WAIT_S)" in caplog.text
    assert metrics.awaited == "3 of 2,000 plays for the first release"
    assert metrics.registry.get_sample_value("refrain_plays_for_fit") == 2000


async def test_nothing_is_awaited_where_there_is_a_champion(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = TrainerMetrics()

    await FirstRelease(THRESHOLDS, archive, metrics, one).look()

    assert (metrics.awaited, caplog.text) == ("", "")


async def test_nothing_is_awaited_once_a_release_was_published(archive: Archive) -> None:
    metrics = TrainerMetrics()
    first = FirstRelease(THRESHOLDS, archive, metrics, none_yet)
    await first.look()
    assert metrics.awaited

    first.has_come()
    await first.look()

    assert not metrics.awaited
