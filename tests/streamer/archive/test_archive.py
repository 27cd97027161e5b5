"""The archive: plays and offsets change together, and forgotten plays are gone."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.archive.archive import Archive
from streamer.archive.files import FULL_FILE_PLAYS
from streamer.archive.plays import to_table
from streamer.errors import ContractError, InUseError
from streamer.wire.plays import PlayColumns
from tests.amount import examples

FIRST_MS = 1_795_469_401_000
FIRST_DAY = FIRST_MS // 86_400_000


class Clock:
    """A clock that only moves by whole days."""

    def __init__(self) -> None:
        self.now_s = FIRST_MS / 1000

    def __call__(self) -> float:
        return self.now_s

    def pass_days(self, days: int) -> None:
        self.now_s += 86_400 * days


def full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def table(users: Sequence[str], *, first_offset: int = 0, partition: int = 0) -> pa.Table:
    """Build one play for each user, at consecutive offsets; the track is named after the offset."""
    offsets = np.arange(first_offset, first_offset + len(users))
    plays = PlayColumns(
        index=np.arange(len(users)),
        users=[user.encode() for user in users],
        track_ids=[f"t{offset}" for offset in offsets],
        track_keys=np.zeros(len(users), np.uint64),
        played_at_ms=FIRST_MS + offsets,
        contexts=(offsets % 9).astype(np.uint8),
        skipped=offsets % 2 == 1,
        forgets=np.zeros(len(users), np.bool_),
    )
    return to_table(plays, partition, offsets)


def read_pairs(archive: Archive, max_plays: int = 10**9) -> list[tuple[str, int]]:
    plays = archive.read_newest(max_plays)
    return [
        (plays.user_ids[user], offset)
        for user, offset in zip(plays.users.tolist(), plays.offsets.tolist(), strict=True)
    ]


def test_plays_come_back_as_they_were(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "bob", "ann"], first_offset=7, partition=3), {3: 10})

    with Archive(tmp_path) as archive:
        plays = archive.read_newest(100)

    assert [plays.user_ids[user] for user in plays.users] == ["ann", "bob", "ann"]
    assert [plays.track_ids[track] for track in plays.tracks] == ["t7", "t8", "t9"]
    assert plays.played_at_ms.tolist() == [FIRST_MS + 7, FIRST_MS + 8, FIRST_MS + 9]
    assert plays.contexts.tolist() == [7, 8, 0]
    assert plays.skipped.tolist() == [True, False, True]
    assert plays.partitions.tolist() == [3, 3, 3]
    assert plays.offsets.tolist() == [7, 8, 9]
    assert [array.dtype for array in (plays.users, plays.tracks, plays.contexts)] == [np.int64, np.int64, np.uint8]


def test_offsets_are_stored_with_the_plays(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
        archive.append(table(["bob"], first_offset=4, partition=1), {0: 3, 1: 5})

    with Archive(tmp_path) as archive:
        assert archive.next_offsets == {0: 3, 1: 5}
        assert archive.num_plays == 2


def test_an_empty_archive_has_nothing_to_read(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        assert (len(archive.read_newest(10)), archive.num_plays, archive.next_offsets) == (0, 0, {})


def test_only_the_newest_plays_are_read(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"] * FULL_FILE_PLAYS), {0: FULL_FILE_PLAYS})
        archive.append(table(["bob"] * 3, first_offset=FULL_FILE_PLAYS), {0: FULL_FILE_PLAYS + 3})

        assert read_pairs(archive, 2) == [("bob", FULL_FILE_PLAYS + 1), ("bob", FULL_FILE_PLAYS + 2)]
        assert read_pairs(archive, 4)[0] == ("ann", FULL_FILE_PLAYS - 1)


def test_small_appends_share_files_of_falling_size(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        for offset in range(7):
            archive.append(table(["ann"], first_offset=offset), {0: offset + 1})

        assert [file.num_plays for file in archive.files] == [4, 2, 1]
        assert read_pairs(archive) == [("ann", offset) for offset in range(7)]
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_a_file_holds_plays_of_one_day_and_their_time_range(tmp_path: Path) -> None:
    clock = Clock()
    with Archive(tmp_path, clock=clock) as archive:
        archive.append(table(["ann", "bob"]), {0: 2})
        clock.pass_days(1)
        archive.append(table(["ann", "bob"], first_offset=2), {0: 4})

        assert [(file.num_plays, file.day) for file in archive.files] == [(2, FIRST_DAY), (2, FIRST_DAY + 1)]
        assert [(file.from_ms - FIRST_MS, file.until_ms - FIRST_MS) for file in archive.files] == [(0, 1), (2, 3)]


def test_a_clock_that_goes_back_does_not_move_the_day_back(tmp_path: Path) -> None:
    clock = Clock()
    with Archive(tmp_path, clock=clock) as archive:
        archive.append(table(["ann"]), {0: 1})
        clock.pass_days(-3)
        archive.append(table(["ann"], first_offset=1), {0: 2})

        assert {file.day for file in archive.files} == {FIRST_DAY}


def test_small_files_of_earlier_days_are_packed_into_one_a_day(tmp_path: Path) -> None:
    clock = Clock()
    with Archive(tmp_path, clock=clock) as archive:
        for offset in range(21):  # seven a day: files of 4, 2 and 1
            archive.append(table(["ann"], first_offset=offset), {0: offset + 1})
            clock.pass_days(offset % 7 == 6)

        while archive.tidy(max_days=365):
            pass

        assert [(file.num_plays, file.day) for file in archive.files] == [(7, FIRST_DAY + day) for day in range(3)]
        assert read_pairs(archive) == [("ann", offset) for offset in range(21)]
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_files_of_today_and_full_ones_are_left_alone(tmp_path: Path) -> None:
    with Archive(tmp_path, clock=Clock()) as archive:
        archive.append(table(["ann", "ann"]), {0: 2})
        archive.append(table(["ann"], first_offset=2), {0: 3})

        assert not archive.tidy(max_days=365)
        assert len(archive.files) == 2


def test_plays_older_than_the_retention_are_dropped(tmp_path: Path) -> None:
    clock = Clock()
    with Archive(tmp_path, clock=clock) as archive:
        for offset in range(4):
            archive.append(table(["ann"], first_offset=offset), {0: offset + 1})
            clock.pass_days(1)

        while archive.tidy(max_days=2):
            pass

        assert read_pairs(archive) == [("ann", 2), ("ann", 3)]
        assert (archive.num_appended, archive.next_offsets) == (4, {0: 4})
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_reading_the_newest_opens_no_older_file(tmp_path: Path) -> None:
    clock = Clock()
    with Archive(tmp_path, clock=clock) as archive:
        archive.append(table(["ann", "bob"]), {0: 2})
        clock.pass_days(1)
        archive.append(table(["eve", "eve"], first_offset=2), {0: 4})
        (tmp_path / archive.files[0].name).write_bytes(b"unreadable")

        assert read_pairs(archive, 2) == [("eve", 2), ("eve", 3)]
        with pytest.raises(pa.ArrowInvalid):
            read_pairs(archive, 3)


def test_files_that_a_crash_left_out_of_the_manifest_are_removed(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
    (tmp_path / "plays-00000099.parquet").write_bytes(b"half a fi")

    with Archive(tmp_path) as archive:
        archive.append(table(["ann"], first_offset=1), {0: 2})

        assert read_pairs(archive) == [("ann", 0), ("ann", 1)]
    assert len(list(tmp_path.glob("plays-*"))) == 1


def test_plays_are_not_archived_twice(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "bob"]), {0: 2})

        with pytest.raises(ValueError, match="archived up to offset 2"):
            archive.append(table(["bob"], first_offset=1), {0: 2})
        with pytest.raises(ValueError, match="archived up to offset 2"):
            archive.append(table([]), {0: 1})
        assert read_pairs(archive) == [("ann", 0), ("bob", 1)]


def test_a_forgotten_listener_leaves_no_trace(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "secret-listener", "bob"]), {0: 3})
        archive.append(table([]), {0: 4}, forgotten={"secret-listener"})

        assert read_pairs(archive) == [("ann", 0), ("bob", 2)]
    assert all(b"secret-listener" not in path.read_bytes() for path in tmp_path.iterdir())


def test_plays_after_the_tombstone_stay(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
        archive.append(table(["ann"], first_offset=2), {0: 3}, forgotten={"ann"})

        assert read_pairs(archive) == [("ann", 2)]


def test_the_plays_new_since_a_fit_are_counted(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "bob"]), {0: 2})
        archive.begin_fit()
        archive.append(table(["eve"], first_offset=2), {0: 3}, forgotten={"bob"})
        archive.end_fit()

    with Archive(tmp_path) as archive:
        assert (archive.num_new, archive.num_appended, archive.num_plays) == (1, 3, 2)


def test_an_archive_that_cannot_be_read_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")

    for _ in range(2):
        with pytest.raises(ContractError, match="cannot be read"):
            Archive(tmp_path)


def test_the_plays_of_a_fit_stay_the_same_after_appends_and_a_restart(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "bob", "eve"]), {0: 3})
        archive.begin_fit()
        archive.append(table(["bob", "joe"], first_offset=3), {0: 5})
        archive.append(table(["joe"], partition=1), {1: 1})

    with Archive(tmp_path) as archive:
        window = archive.begin_fit()

        plays = archive.read_newest(2, window.next_offsets)
        assert plays.offsets.tolist() == [1, 2]
        assert (window.num_appended, archive.num_new) == (3, 6)
        archive.end_fit()
        assert (archive.fitting, archive.num_new) == (None, 3)


def test_an_abandoned_fit_leaves_its_plays_new(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
        archive.begin_fit()
        archive.abandon_fit()
        archive.append(table(["ann"], first_offset=1), {0: 2})

        assert archive.num_new == 2
        assert archive.begin_fit().num_appended == 2


def test_time_since_the_latest_fit_starts_with_the_first_play(tmp_path: Path) -> None:
    clock = Clock()
    with Archive(tmp_path, clock=clock) as archive:
        clock.pass_days(1)
        assert archive.since_fit_s == 0
        archive.append(table(["ann"]), {0: 1})
        clock.pass_days(2)
        assert archive.since_fit_s == 2 * 86_400
        archive.begin_fit()
        archive.end_fit()
        clock.pass_days(1)
        assert archive.since_fit_s == 86_400


def test_a_full_disk_leaves_the_archive_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                archive.append(table(["bob"], first_offset=1), {0: 2})

        archive.append(table(["bob"], first_offset=1), {0: 2})

        assert read_pairs(archive) == [("ann", 0), ("bob", 1)]


def test_two_trainers_cannot_open_one_archive(tmp_path: Path) -> None:
    with Archive(tmp_path), pytest.raises(InUseError, match="is in use by process"):
        Archive(tmp_path)
    Archive(tmp_path).close()


@settings(max_examples=examples(25), deadline=None)  # each appends to a disk
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["ann", "bob", "eve"]), max_size=4),
            st.sets(st.sampled_from(["ann", "eve"])),
            st.integers(0, 1),
        ),
        max_size=5,
    )
)
def test_any_appends_erasures_and_packings_give_what_a_list_would(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list[str], set[str], int]]
) -> None:
    expected: list[tuple[str, int]] = []
    directory, next_offset, clock = tmp_path_factory.mktemp("archive"), 0, Clock()

    for users, forgotten, days in batches:
        clock.pass_days(days)
        with Archive(directory, clock=clock) as archive:
            archive.tidy(max_days=365)
            archive.append(table(users, first_offset=next_offset), {0: next_offset + len(users)}, forgotten)
        expected = [(user, offset) for user, offset in expected if user not in forgotten]
        expected += [(user, next_offset + place) for place, user in enumerate(users)]
        next_offset += len(users)

    with Archive(directory) as archive:
        assert read_pairs(archive) == expected
        assert archive.num_plays == len(expected)
