"""The archive after a crash at any point: its contents follow from its next offset."""

import contextlib
import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.archive.manifest import read_manifest
from tests.streamer.archive.archive_writer import (
    APPEND_PLAYS,
    APPENDS_PER_DAY,
    MAX_DAYS,
    append_next,
    day_of,
    expected,
    open_archive,
)
from tests.until import wait_until

NUM_APPENDS = 3 * APPENDS_PER_DAY  # the plays of the first day are dropped


class Crash(BaseException):
    """The process is gone."""


@contextlib.contextmanager
def crashing(countdown: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Crash at the `countdown`-th step that changes the disk durably: a sync, a rename or a removal."""
    left = [countdown]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise Crash
            return real(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted(os.fsync))
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        yield lambda: left[0] <= 0


def check(directory: Path) -> int:
    """Assert that the archive is right: no play lost or duplicated, no trace of the forgotten, no leftover file.

    Returns:
        Its next offset.
    """
    with open_archive(directory) as archive:
        next_offset = archive.next_offsets.get(0, 0)
        kept, due = archive.read_newest(10**9).offsets.tolist(), expected(next_offset)
        assert kept == due[len(due) - len(kept) :]
        first_day = day_of(next_offset) - MAX_DAYS
        assert len(kept) >= sum(day_of(offset) >= first_day for offset in due)
        assert archive.num_appended == next_offset
        assert {path.name for path in directory.glob("plays-*")} == {file.name for file in archive.files}
    return next_offset


@pytest.mark.long
def test_a_crash_at_any_step_leaves_the_archive_before_or_after_the_append(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, num_crashes = tmp_path_factory.mktemp("archive"), 0
    for append in range(NUM_APPENDS):
        for countdown in itertools.count(1):
            copy = Path(shutil.copytree(directory, tmp_path_factory.mktemp("copy"), dirs_exist_ok=True))
            with (
                open_archive(copy) as archive,
                crashing(countdown, monkeypatch) as has_crashed,
                contextlib.suppress(Crash),
            ):
                append_next(archive)
            assert check(copy) in {append * APPEND_PLAYS, (append + 1) * APPEND_PLAYS}
            if not has_crashed():
                break
            num_crashes += 1
        directory = copy

    assert num_crashes > 6 * NUM_APPENDS


@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    rng = random.Random(5)
    reached = 0
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-m", "tests.streamer.archive.archive_writer", str(tmp_path)])
        try:
            wait_for(tmp_path, reached + rng.randrange(1, 40) * APPEND_PLAYS, writer)
            time.sleep(rng.random() * 0.02)  # anywhere within an append, not just after one
        finally:
            writer.kill()
            writer.wait()
        reached = check(tmp_path)

    assert reached > 20 * APPEND_PLAYS


def wait_for(directory: Path, next_offset: int, writer: "subprocess.Popen[bytes]") -> None:
    def has_come_that_far() -> bool:
        if read_manifest(directory, 0).num_appended >= next_offset:
            return True
        assert writer.poll() is None, "the writer has ended by itself"
        return False

    wait_until(has_come_that_far, f"{next_offset} plays are archived", period_s=0.001)
