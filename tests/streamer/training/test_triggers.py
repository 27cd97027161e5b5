"""What triggers a fit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.archive.archive import Archive
from streamer.archive.plays import SCHEMA
from streamer.training.triggers import Thresholds, Trigger

THRESHOLDS = Thresholds(min_plays=100, max_wait_s=3600, drift_plays=20)


@pytest.fixture
def now_s() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def archive(tmp_path: Path, now_s: list[float]) -> Iterator[Archive]:
    with Archive(tmp_path, clock=lambda: now_s[0]) as archive:
        yield archive


def play(archive: Archive, num_plays: int) -> None:
    first = archive.next_offsets.get(0, 0)
    rows = [
        {"user_id": "ann", "track_id": "t", "played_at_ms": offset, "context": 0, "skipped": False, "partition": 0,
         "offset": offset}
        for offset in range(first, first + num_plays)
    ]  # fmt: skip
    archive.append(SCHEMA.empty_table().from_pylist(rows, SCHEMA), {0: first + num_plays})


def test_enough_new_plays_trigger_a_fit(archive: Archive) -> None:
    play(archive, 99)
    assert THRESHOLDS.due(archive) is None
    play(archive, 1)
    assert THRESHOLDS.due(archive) is Trigger.PLAYS


def test_time_triggers_a_fit_if_there_is_a_new_play(archive: Archive, now_s: list[float]) -> None:
    play(archive, 1)
    now_s[0] += 3599
    assert THRESHOLDS.due(archive) is None
    now_s[0] += 1
    assert THRESHOLDS.due(archive) is Trigger.TIME

    archive.begin_fit()
    archive.end_fit()
    now_s[0] += 10_000
    assert THRESHOLDS.due(archive) is None


def test_an_interrupted_fit_is_resumed_first(archive: Archive) -> None:
    play(archive, 100)
    archive.begin_fit()

    assert THRESHOLDS.due(archive) is Trigger.RESUMED


def test_the_champion_is_measured_once_per_so_many_plays(archive: Archive) -> None:
    play(archive, 19)
    assert not THRESHOLDS.calls_for_a_look(archive, num_looked_at=0)
    play(archive, 1)
    assert THRESHOLDS.calls_for_a_look(archive, num_looked_at=0)
    assert not THRESHOLDS.calls_for_a_look(archive, num_looked_at=1)
    play(archive, 30)
    archive.begin_fit()
    archive.end_fit()
    assert not THRESHOLDS.calls_for_a_look(archive, num_looked_at=0)  # the fit has just used them
