from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from models.config import NetworkConfig
from models.plays import play_column
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories, gather_histories
from models.plays.ragged_rows import RaggedRows
from models.training import play_counts
from models.training.play_counts import CountLimits, PlayCounts, count_plays
from models.training.shards import Shard

CONFIG = NetworkConfig(session_gap_s=1800)
CATALOGUE = Catalogue([f"t{track}" for track in range(12)])
LIMITS = CountLimits(num_neighbours=5, num_pair_followers=2)
DAY_MS = 86_400_000


@pytest.fixture
def histories() -> Histories:
    """Forty listeners; their sessions end in silences, and a few plays are of a track that the catalogue lacks."""
    rng = np.random.default_rng(3)
    listeners = np.sort(rng.integers(0, 40, 900))
    keys = np.append(CATALOGUE.keys, np.uint64(77))[(rng.zipf(1.4, 900) - 1) % 13]
    times_ms = np.cumsum(np.where(rng.random(900) < 0.2, DAY_MS, 60_000))
    return gather_histories(listeners, keys, times_ms)


def counted(*histories: Histories, limits: CountLimits = LIMITS) -> PlayCounts:
    return count_plays([Shard(each) for each in histories], CATALOGUE, CONFIG, limits)


def listener_plays(histories: Histories) -> list[list[tuple[int, int]]]:
    """The known tracks of each listener, and when they were played."""
    rows = CATALOGUE.rows(histories.track_keys) - 2
    plays = zip(rows.tolist(), histories.played_at_ms.tolist(), strict=True)
    every = list(plays)
    return [[play for play in every[begin:end] if play[0] >= 0] for begin, end in itertools.pairwise(histories.bounds)]


def sessions_of(plays: list[tuple[int, int]]) -> list[set[int]]:
    sessions = list[set[int]]()
    for number, (track, time_ms) in enumerate(plays):
        if number == 0 or time_ms - plays[number - 1][1] > 1_800_000:
            sessions.append(set())
        sessions[-1].add(track)
    return sessions


def neighbours(weights: Mapping[int, float], width: int) -> list[tuple[int, float]]:
    return sorted(weights.items(), key=lambda item: (-np.float32(item[1]), item[0]))[:width]


def assert_rows(rows: RaggedRows, expected: list[list[tuple[int, float]]]) -> None:
    assert rows.lengths.tolist() == [len(row) for row in expected]
    assert rows.tracks.tolist() == [track for row in expected for track, _ in row]
    np.testing.assert_allclose(rows.weights, [weight for row in expected for _, weight in row], rtol=1e-6)


@pytest.mark.parametrize("reach", [1, 10])
def test_followers_are_counted_within_a_listener_by_their_distance(histories: Histories, reach: int) -> None:
    counts = defaultdict[int, Counter[int]](Counter)
    for plays in listener_plays(histories):
        for (early, (track, _)), (late, (follower, _)) in itertools.combinations(enumerate(plays), 2):
            if late - early <= reach:
                counts[track][follower] += 2520 // (late - early)

    result = counted(histories)

    rows, sums = (result.followers, result.num_followers) if reach == 1 else (result.soon, result.num_soon)
    totals = [counts[track].total() for track in range(12)]
    shares = [{f: n / totals[track] for f, n in counts[track].items()} for track in range(12)]
    assert_rows(rows, [neighbours(row, 5) for row in shares])
    np.testing.assert_allclose(sums, np.array(totals) / 2520)


def test_companions_are_close_by_their_common_sessions(histories: Histories) -> None:
    sessions = [session for plays in listener_plays(histories) for session in sessions_of(plays)]
    sizes = [sum(track in session for session in sessions) + 5 for track in range(12)]

    companions = counted(histories).companions

    together = Counter(pair for session in sessions for pair in itertools.permutations(session, 2))
    cosines = [
        {other: n / np.sqrt(sizes[one] * sizes[other]) for (one, other), n in together.items() if one == track}
        for track in range(12)
    ]
    assert_rows(companions, [neighbours(row, 5) for row in cosines])


def test_pairs_are_followed_by_what_came_right_after_both(histories: Histories) -> None:
    counts = defaultdict[int, Counter[int]](Counter)
    for plays in listener_plays(histories):
        for first, second, third in zip(plays, plays[1:], plays[2:], strict=False):
            counts[first[0] * 12 + second[0]][third[0]] += 1

    result = counted(histories)

    assert result.pair_keys.tolist() == sorted(counts)
    assert result.num_pair_followers.tolist() == [counts[key].total() for key in sorted(counts)]
    shares = [{f: n / counts[key].total() for f, n in counts[key].items()} for key in sorted(counts)]
    assert_rows(result.pair_followers, [neighbours(row, 2) for row in shares])


def test_popularity_counts_plays_and_halves_them_every_two_weeks(histories: Histories) -> None:
    plays = [play for plays in listener_plays(histories) for play in plays]
    latest_ms = max(time_ms for _, time_ms in plays)
    recent = np.full(12, 0.05)
    for track, time_ms in plays:
        recent[track] += 0.5 ** ((latest_ms - time_ms) / (14 * DAY_MS))

    result = counted(histories)

    all_plays = np.array([sum(track == played for played, _ in plays) + 0.5 for track in range(12)])
    np.testing.assert_allclose(result.popularity, all_plays / all_plays.sum())
    np.testing.assert_allclose(result.recent_popularity, recent / recent.sum())


def assert_equal(one: PlayCounts, other: PlayCounts) -> None:
    for name in PlayCounts.__slots__:
        np.testing.assert_allclose(np.hstack(getattr(one, name)), np.hstack(getattr(other, name)), rtol=1e-12)


def test_neither_shards_nor_groups_of_tracks_change_a_count(
    histories: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = counted(histories)
    shards = [histories.of(part) for part in np.array_split(np.arange(histories.num_listeners), 3)]

    assert_equal(counted(*shards), whole)
    assert_equal(counted(*reversed(shards)), whole)
    monkeypatch.setattr(play_counts, "_GROUP_PLAYS", 40)
    monkeypatch.setattr(play_counts, "_GROUP_TRACKS", 3)
    assert_equal(counted(histories), whole)


def test_tables_above_their_limits_keep_the_strongest_of_each_row_and_the_most_frequent_pairs(
    histories: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_counts, "_GROUP_TRACKS", 3)
    whole = counted(histories)

    limited = counted(histories, limits=replace(LIMITS, max_entries=30, max_pairs=40))

    assert_rows(limited.soon, [list(zip(*row, strict=True)) for row in rows_of(whole.soon.cut(2))])
    least = limited.num_pair_followers.min()
    assert len(limited.pair_keys) <= 40 < (whole.num_pair_followers >= least - 1).sum()
    assert limited.pair_keys.tolist() == whole.pair_keys[whole.num_pair_followers >= least].tolist()
    assert_rows(
        limited.pair_followers,
        [list(zip(*row, strict=True)) for row in rows_of(whole.pair_followers.take(whole.num_pair_followers >= least))],
    )


def rows_of(rows: RaggedRows) -> list[tuple[list[int], list[float]]]:
    return [
        (rows.tracks[begin:end].tolist(), rows.weights[begin:end].tolist())
        for begin, end in itertools.pairwise(rows.starts)
    ]


def test_a_session_without_end_is_cut() -> None:
    num_tracks = play_column.MAX_SESSION_TRACKS + 300
    catalogue = Catalogue([f"t{track}" for track in range(num_tracks)])
    bot = gather_histories(np.zeros(num_tracks, np.int64), catalogue.keys, np.arange(num_tracks))

    companions = count_plays([Shard(bot)], catalogue, CONFIG, replace(LIMITS, num_neighbours=2000)).companions

    assert (
        companions.lengths.tolist()
        == [play_column.MAX_SESSION_TRACKS - 1] * play_column.MAX_SESSION_TRACKS + [299] * 300
    )


def test_counting_ends_when_its_report_raises(histories: Histories) -> None:
    reports = list[tuple[int, int]]()

    def stop_at_the_tracks(done: int, total: int) -> None:
        reports.append((done, total))
        if total == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_plays([Shard(histories)], CATALOGUE, CONFIG, LIMITS, stop_at_the_tracks)

    assert reports == [(1, 1), (12, 12)]


def test_no_plays_have_no_neighbours() -> None:
    nothing = gather_histories(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64))

    counts = counted(nothing)

    assert counts.soon.lengths.tolist() == counts.companions.lengths.tolist() == [0] * 12
    assert len(counts.pair_keys) == 0
    assert np.allclose(counts.popularity, 1 / 12)
