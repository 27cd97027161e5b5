"""Archived plays: accepted plays are stored and read back, forgotten ones are not."""

import numpy as np

from streamer.archive.plays import forgotten_users, to_arrays, to_table
from streamer.wire.plays import PlayColumns

FIRST_MS = 1_795_469_401_000


def played(users: str, tombstones: str) -> PlayColumns:
    """Plays of one-letter listeners, one after the other; `x` in `tombstones` makes one a tombstone."""
    return PlayColumns(
        index=np.arange(len(users)),
        users=[user.encode() for user in users],
        track_ids=[f"t{place}" for place in range(len(users))],
        track_keys=np.zeros(len(users), np.uint64),
        played_at_ms=FIRST_MS + np.arange(len(users)),
        contexts=np.arange(len(users), dtype=np.uint8),
        skipped=np.arange(len(users)) % 2 == 1,
        forgets=np.array([mark == "x" for mark in tombstones]),
    )


def test_tombstones_and_the_plays_before_them_are_not_stored() -> None:
    plays = played("abab", "..x.")

    assert to_table(plays, 0, np.arange(4))["track_id"].to_pylist() == ["t1", "t3"]
    assert forgotten_users(plays) == {"a"}


def test_plays_come_back_as_they_were() -> None:
    plays = to_arrays(to_table(played("aba", "..."), 3, np.array([7, 8, 9])))

    assert ([plays.user_ids[user] for user in plays.users], plays.partitions.tolist()) == (["a", "b", "a"], [3, 3, 3])
    assert [plays.track_ids[track] for track in plays.tracks] == ["t0", "t1", "t2"]
    assert (plays.offsets.tolist(), plays.contexts.tolist()) == ([7, 8, 9], [0, 1, 2])
    assert (len(plays), plays.skipped.tolist()) == (3, [False, True, False])


def test_plays_are_selected_in_the_given_order() -> None:
    plays = to_arrays(to_table(played("abc", "..."), 0, np.arange(3))).take(np.array([2, 0]))

    assert [plays.user_ids[user] for user in plays.users] == ["c", "a"]
    assert [plays.track_ids[track] for track in plays.tracks] == ["t2", "t0"]
    assert (len(plays), plays.played_at_ms.tolist()) == (2, [FIRST_MS + 2, FIRST_MS])
