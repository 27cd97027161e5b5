"""The archive: plays and offsets change together, and what is forgotten is gone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.archive import FULL_FILE_PLAYS, Archive, to_table
from streamer.errors import ContractError
from streamer.events import PlayColumns

FIRST_MS = 1_795_469_401_000


def table(users: Sequence[str], *, first_offset: int = 0, partition: int = 0) -> pa.Table:
    """Build one play for each user named, at consecutive offsets; the track is named after the offset."""
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


def told(archive: Archive, max_plays: int = 10**9) -> list[tuple[str, int]]:
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


def test_offsets_stand_with_the_plays(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
        archive.append(table(["bob"], first_offset=4, partition=1), {0: 3, 1: 5})

    with Archive(tmp_path) as archive:
        assert archive.next_offsets == {0: 3, 1: 5}
        assert archive.num_plays == 2


def test_an_empty_archive_has_nothing_to_read(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        assert (len(archive.read_newest(10)), archive.num_plays, archive.next_offsets) == (0, 0, {})


def test_tombstones_are_no_plays() -> None:
    plays = PlayColumns(
        index=np.arange(2),
        users=[b"ann", b"bob"],
        track_ids=["t0", ""],
        track_keys=np.zeros(2, np.uint64),
        played_at_ms=np.full(2, FIRST_MS),
        contexts=np.zeros(2, np.uint8),
        skipped=np.zeros(2, np.bool_),
        forgets=np.array([False, True]),
    )

    assert to_table(plays, 0, np.arange(2))["user_id"].to_pylist() == ["ann"]


def test_only_the_newest_plays_are_read(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"] * FULL_FILE_PLAYS), {0: FULL_FILE_PLAYS})
        archive.append(table(["bob"] * 3, first_offset=FULL_FILE_PLAYS), {0: FULL_FILE_PLAYS + 3})

        assert told(archive, 2) == [("bob", FULL_FILE_PLAYS + 1), ("bob", FULL_FILE_PLAYS + 2)]
        assert told(archive, 4)[0] == ("ann", FULL_FILE_PLAYS - 1)


def test_small_appends_share_a_file(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        for offset in range(5):
            archive.append(table(["ann"], first_offset=offset), {0: offset + 1})

    assert len(list(tmp_path.glob("*.parquet"))) == 1


def test_what_a_crash_left_unnamed_is_removed(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
    (tmp_path / "plays-00000099.parquet").write_bytes(b"half a fi")

    with Archive(tmp_path) as archive:
        archive.append(table(["ann"], first_offset=1), {0: 2})

        assert told(archive) == [("ann", 0), ("ann", 1)]
    assert len(list(tmp_path.glob("plays-*"))) == 1


def test_plays_are_not_archived_twice(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "bob"]), {0: 2})

        with pytest.raises(ValueError, match="archived up to offset 2"):
            archive.append(table(["bob"], first_offset=1), {0: 2})
        with pytest.raises(ValueError, match="archived up to offset 2"):
            archive.append(table([]), {0: 1})
        assert told(archive) == [("ann", 0), ("bob", 1)]


def test_a_forgotten_listener_leaves_no_byte(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "secret-listener", "bob"]), {0: 3})
        archive.append(table([]), {0: 4}, forgotten={"secret-listener"})

        assert told(archive) == [("ann", 0), ("bob", 2)]
    assert all(b"secret-listener" not in path.read_bytes() for path in tmp_path.iterdir())


def test_plays_after_the_wish_to_be_forgotten_stay(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann"]), {0: 1})
        archive.append(table(["ann"], first_offset=2), {0: 3}, forgotten={"ann"})

        assert told(archive) == [("ann", 2)]


def test_what_is_new_to_a_fit_is_remembered(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        archive.append(table(["ann", "bob"]), {0: 2})
        num_fitted = archive.num_appended
        archive.append(table(["eve"], first_offset=2), {0: 3}, forgotten={"bob"})
        archive.mark_fitted(num_fitted)

    with Archive(tmp_path) as archive:
        assert (archive.num_new, archive.num_appended, archive.num_plays) == (1, 3, 2)


def test_an_archive_that_cannot_be_read_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")

    for _ in range(2):
        with pytest.raises(ContractError, match="cannot be read"):
            Archive(tmp_path)


def test_two_trainers_cannot_hold_one_archive(tmp_path: Path) -> None:
    with Archive(tmp_path), pytest.raises(ContractError, match="another process holds"):
        Archive(tmp_path)
    Archive(tmp_path).close()


@settings(max_examples=25, deadline=None)  # each appends to a disk
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["ann", "bob", "eve"]), max_size=4), st.sets(st.sampled_from(["ann", "eve"]))
        ),
        max_size=5,
    )
)
def test_any_appends_and_wishes_give_what_a_list_would(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list[str], set[str]]]
) -> None:
    expected: list[tuple[str, int]] = []
    directory, next_offset = tmp_path_factory.mktemp("archive"), 0

    for users, forgotten in batches:
        with Archive(directory) as archive:
            archive.append(table(users, first_offset=next_offset), {0: next_offset + len(users)}, forgotten)
        expected = [(user, offset) for user, offset in expected if user not in forgotten]
        expected += [(user, next_offset + place) for place, user in enumerate(users)]
        next_offset += len(users)

    with Archive(directory) as archive:
        assert told(archive) == expected
        assert archive.num_plays == len(expected)
