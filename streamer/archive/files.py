"""The files of an archive: how plays are written to them, and which files are merged, read or removed.

A file holds the plays of one day of arrival, in the order they arrived, and is never changed. An append writes one
file, merged with the newest files of the same day that are no larger. So each file is at most half the size of the one
before it, a day of many small appends has a handful of files, and a play is written about ten times in all. Small files
of earlier days, which erasure may have shrunk, are packed into full ones.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamer.archive.manifest import ArchiveFile
from streamer.runtime.files import sync_file

FULL_FILE_PLAYS: Final = 200_000  # about 3 MB, written in 0.2 s
_GROUP_PLAYS: Final = 50_000  # rows of a row group: the least that a reader of a few minutes reads


def write_plays(directory: Path, number: int, plays: pa.Table, day: int) -> list[ArchiveFile]:
    """Write a file and flush it to the disk; no file if there are no plays.

    Args:
        directory: of the archive.
        number: of the file, never used before.
        plays: of one day of arrival.
        day: that day, UTC, days since the epoch.
    """
    if not len(plays):
        return []
    name = f"plays-{number:08d}.parquet"
    with (directory / name).open("wb") as file:
        pq.write_table(plays, file, compression="zstd", row_group_size=_GROUP_PLAYS)
        sync_file(file)
    times = pc.min_max(plays["played_at_ms"]).as_py()
    return [ArchiveFile(name, len(plays), day, times["min"], times["max"])]


def read_plays(directory: Path, files: Sequence[ArchiveFile]) -> pa.Table:
    """Read one or more files, in order."""
    return pa.concat_tables([pq.read_table(directory / file.name, partitioning=None) for file in files])


def read_without(directory: Path, file: ArchiveFile, user_ids: Collection[str]) -> pa.Table | None:
    """Read a file without the plays of some listeners; None if it has none of theirs, which needs only one column."""
    names = pa.array(sorted(user_ids), pa.string())
    users = pq.read_table(directory / file.name, columns=["user_id"], partitioning=None)["user_id"]
    theirs = pc.is_in(users, names)
    return read_plays(directory, [file]).filter(pc.invert(theirs)) if pc.any(theirs).as_py() else None


def count_listeners(directory: Path, files: Sequence[ArchiveFile]) -> int:
    """Count the listeners whose plays are in some files."""
    users = [pq.read_table(directory / file.name, columns=["user_id"], partitioning=None)["user_id"] for file in files]
    return len(pc.unique(pa.chunked_array([chunk for each in users for chunk in each.chunks], pa.string())))


def remove_others(directory: Path, files: Collection[ArchiveFile]) -> None:
    """Remove the files of plays that are not among `files`."""
    named = {file.name for file in files}
    for path in directory.glob("plays-*.parquet"):
        if path.name not in named:
            path.unlink()


def num_to_join(files: Sequence[ArchiveFile], num_plays: int, day: int) -> int:
    """Count the newest files that an append of `num_plays` merges into its own."""
    num, total = 0, num_plays  # with 0 plays no file is small enough: nothing is merged
    for file in reversed(files):
        if file.day != day or file.num_plays > total or total + file.num_plays > FULL_FILE_PLAYS:
            break
        num, total = num + 1, total + file.num_plays
    return num


def next_to_pack(files: Sequence[ArchiveFile], today: int) -> slice | None:
    """Find the first adjacent files of an earlier day that fit into one; None if all are packed."""
    begin, total = 0, 0
    for place, file in enumerate(files):
        fits = total + file.num_plays <= FULL_FILE_PLAYS and file.day == files[begin].day and file.day < today
        if not fits and place - begin > 1:
            return slice(begin, place)
        begin, total = (begin, total + file.num_plays) if fits else (place, file.num_plays)
    return slice(begin, len(files)) if len(files) - begin > 1 and files[-1].day < today else None
