"""Copies of an archive: all plays before a time, but those that look scripted."""

from pathlib import Path

import numpy as np
import pytest

from streamer.archive.archive import Archive
from streamer.archive.plays import ArchivedPlays
from streamer.training import archive_copy
from streamer.training.archive_copy import copy_trusted
from streamer.training.candidate import leave_out_scripts
from streamer.training.progress import FitStopped
from streamer.training.shards import ShardFolder, open_shards
from tests.streamer.training.test_candidate import FIRST_MS, GAP_MS, NUM_TRACKS, ignore, table_of, window


def archive_of(directory: Path, plays: ArchivedPlays) -> Path:
    with Archive(directory) as archive:
        archive.append(table_of(plays), {0: len(plays)})
    return directory


def times_of(shards: ShardFolder) -> list[int]:
    return sorted(time for shard in shards for time in shard.histories.played_at_ms.tolist())


@pytest.fixture
def listeners() -> ArchivedPlays:
    """Two hundred listeners, and one who plays a single track for a sixth of the time."""
    tracks, users = np.random.default_rng(1).integers(0, NUM_TRACKS, 24_000), np.arange(24_000) % 200
    users[12_000:16_000], tracks[12_000:16_000] = 7, 3
    return window(users, tracks)


def test_a_copy_has_the_trusted_plays_before_a_time(listeners: ArchivedPlays, tmp_path: Path) -> None:
    directory, end_ms = archive_of(tmp_path / "archive", listeners), FIRST_MS + 20_000 * GAP_MS
    read = list[tuple[int, int]]()

    shards = copy_trusted(directory, tmp_path / "shards" / "fit", end_ms, lambda *done: read.append(done))

    trusted, _ = leave_out_scripts(listeners, num_new=0)
    assert 0 < len(trusted) < len(listeners)
    assert times_of(shards) == trusted.played_at_ms[trusted.played_at_ms < end_ms].tolist()
    assert read[-1] == (len(listeners), len(listeners))


def test_a_long_archive_is_examined_in_windows_and_copied_whole(
    listeners: ArchivedPlays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = archive_of(tmp_path / "archive", listeners.take(np.arange(12_000)))
    monkeypatch.setattr(archive_copy, "_EXAMINED_PLAYS", 5_000)
    monkeypatch.setattr("streamer.archive.snapshot._BATCH_PLAYS", 1_000)

    shards = copy_trusted(directory, tmp_path / "shards" / "fit", FIRST_MS + 12_000 * GAP_MS, ignore)

    assert times_of(shards) == listeners.played_at_ms[:12_000].tolist()


def test_a_stopped_copy_is_no_copy(listeners: ArchivedPlays, tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise FitStopped

    with pytest.raises(FitStopped):
        copy_trusted(archive_of(tmp_path / "archive", listeners), tmp_path / "shards" / "fit", FIRST_MS, stop)

    assert open_shards(tmp_path / "shards" / "fit") is None
