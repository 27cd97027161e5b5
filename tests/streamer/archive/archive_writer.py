"""Appends to an archive endlessly, in a process of its own for a test to kill.

The plays it appends follow from the offset alone, so a reader of the archive knows what it must contain.
"""

import sys
from pathlib import Path

import numpy as np

from streamer.archive.archive import Archive
from streamer.archive.plays import to_table
from streamer.wire.plays import PlayColumns

APPEND_PLAYS = 5
APPENDS_PER_DAY = 4
MAX_DAYS = 1
_DAY_S = 86_400


def user_at(offset: int) -> str:
    return f"u{offset % 7}"


def forgotten_at(offset: int) -> set[str]:
    """The listeners forgotten by the append that starts at an offset."""
    return {f"u{offset % 5}"} if offset // APPEND_PLAYS % 3 == 2 else set()


def day_of(offset: int) -> int:
    return 20_000 + offset // APPEND_PLAYS // APPENDS_PER_DAY


def expected(next_offset: int) -> list[int]:
    """Return the offsets of all archived plays that were not forgotten, in order."""
    kept: list[int] = []
    for first in range(0, next_offset, APPEND_PLAYS):
        forgotten = forgotten_at(first)
        kept = [offset for offset in kept if user_at(offset) not in forgotten]
        kept += range(first, first + APPEND_PLAYS)
    return kept


def append_next(archive: Archive) -> None:
    first = archive.next_offsets.get(0, 0)
    offsets = np.arange(first, first + APPEND_PLAYS)
    plays = PlayColumns(
        index=np.arange(APPEND_PLAYS),
        users=[user_at(offset).encode() for offset in offsets.tolist()],
        track_ids=["t"] * APPEND_PLAYS,
        track_keys=np.zeros(APPEND_PLAYS, np.uint64),
        played_at_ms=offsets,
        contexts=np.zeros(APPEND_PLAYS, np.uint8),
        skipped=np.zeros(APPEND_PLAYS, np.bool_),
        forgets=np.zeros(APPEND_PLAYS, np.bool_),
    )
    archive.append(to_table(plays, 0, offsets), {0: first + APPEND_PLAYS}, forgotten_at(first))
    archive.tidy(MAX_DAYS)


def open_archive(directory: Path) -> Archive:
    """Open an archive whose current day follows from its next offset."""
    archives: list[Archive] = []
    archive = Archive(
        directory, clock=lambda: _DAY_S * float(day_of(archives[0].next_offsets.get(0, 0) if archives else 0))
    )
    archives.append(archive)
    return archive


if __name__ == "__main__":
    with open_archive(Path(sys.argv[1])) as opened:
        while True:
            append_next(opened)
