"""The files of an archive: which are merged, and how little of them is read."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.archive.files import (
    FULL_FILE_PLAYS,
    next_to_pack,
    num_to_join,
    read_plays,
    read_without,
    remove_others,
    write_plays,
)
from streamer.archive.manifest import ArchiveFile, played_between
from streamer.archive.plays import SCHEMA

TODAY = 20_000


def files_of(*sizes: int, day: int = TODAY) -> list[ArchiveFile]:
    return [ArchiveFile(f"plays-{place}-{day}", size, day, 0, 0) for place, size in enumerate(sizes)]


def plays_of(*users: str) -> pa.Table:
    rows = [
        {"user_id": user, "track_id": "t", "played_at_ms": 1000 - place, "context": 0, "skipped": False,
         "partition": 0, "offset": place}
        for place, user in enumerate(users)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, SCHEMA)


@pytest.mark.parametrize(
    ("sizes", "num_plays", "joined"),
    [
        ([], 5, 0),
        ([4], 5, 1),
        ([8, 4], 5, 2),  # 4 is no larger than 5, nor 8 than 9
        ([10, 4], 5, 1),
        ([6], 5, 0),
        ([4], 0, 0),
        ([FULL_FILE_PLAYS - 4], FULL_FILE_PLAYS - 3, 0),  # together they would exceed a full file
    ],
)
def test_an_append_merges_the_newest_files_that_are_no_larger(
    sizes: Sequence[int], num_plays: int, joined: int
) -> None:
    assert num_to_join(files_of(*sizes), num_plays, TODAY) == joined


def test_an_append_merges_no_file_of_another_day() -> None:
    assert num_to_join(files_of(1, day=TODAY - 1), 5, TODAY) == 0


def test_many_appends_leave_few_files_and_write_each_play_few_times() -> None:
    sizes: list[int] = []
    num_written = 0
    for _ in range(1024):
        joined = num_to_join(files_of(*sizes), 10, TODAY)
        size = 10 + sum(sizes[len(sizes) - joined :])
        num_written += size
        sizes = [*sizes[: len(sizes) - joined], size]

    assert len(sizes) == 1
    assert num_written / 10_240 <= 11


@pytest.mark.parametrize(
    ("files", "packed"),
    [
        ([], None),
        (files_of(5, 3), None),  # of today
        (files_of(5, 3, day=TODAY - 1), slice(0, 2)),
        (files_of(5, day=TODAY - 2) + files_of(3, day=TODAY - 1), None),
        (files_of(5, day=TODAY - 2) + files_of(3, 2, day=TODAY - 1), slice(1, 3)),
        (files_of(5, 3, day=TODAY - 1) + files_of(3, 2), slice(0, 2)),
        (files_of(FULL_FILE_PLAYS, 3, 2, day=TODAY - 1), slice(1, 3)),
        (files_of(FULL_FILE_PLAYS - 1, 2, FULL_FILE_PLAYS - 1, day=TODAY - 1), None),
    ],
)
def test_adjacent_files_of_an_earlier_day_are_packed_where_they_fit(
    files: list[ArchiveFile], packed: slice | None
) -> None:
    assert next_to_pack(files, TODAY) == packed


def test_the_time_range_of_a_file_is_in_manifest_and_footer(tmp_path: Path) -> None:
    (file,) = write_plays(tmp_path, 3, plays_of("ann", "bob", "eve"), TODAY)

    assert (file.name, file.num_plays, file.day, file.from_ms, file.until_ms) == (
        "plays-00000003.parquet", 3, TODAY, 998, 1000
    )  # fmt: skip
    assert played_between(pq.read_metadata(tmp_path / file.name)) == (998, 1000)


def test_no_plays_make_no_file(tmp_path: Path) -> None:
    assert write_plays(tmp_path, 3, plays_of(), TODAY) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_without_some_listeners_unless_it_has_none_of_theirs(tmp_path: Path) -> None:
    (file,) = write_plays(tmp_path, 0, plays_of("ann", "bob", "ann"), TODAY)

    without_ann = read_without(tmp_path, file, {"ann", "eve"})

    assert without_ann is not None
    assert without_ann["user_id"].to_pylist() == ["bob"]
    assert read_without(tmp_path, file, {"eve"}) is None


def test_files_are_read_in_order_and_others_removed(tmp_path: Path) -> None:
    files = [write_plays(tmp_path, number, plays_of(user), TODAY)[0] for number, user in enumerate("abc")]

    remove_others(tmp_path, files[1:])

    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name for file in files[1:]]
    assert read_plays(tmp_path, [files[2], files[1]])["user_id"].to_pylist() == ["c", "b"]
