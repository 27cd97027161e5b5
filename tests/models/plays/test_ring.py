from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from models.config import NetworkConfig
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue, track_keys
from models.plays.features import DAY_MS, known_plays
from models.plays.histories import Histories, gather_histories
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS, ring_windows

CONFIG = NetworkConfig()


def one_by_one(rows: list[int], times_ms: list[int]) -> dict[int, tuple[int, int, int]]:
    """The plain definition, for one window of known plays, oldest first: row -> (recency, count, bigram)."""
    last = len(rows) - 1
    sessions = np.cumsum([0] + [b - a > CONFIG.session_gap_s * 1000 for a, b in pairwise(times_ms)])
    groups = {}
    for row in set(rows):
        places = [i for i, other in enumerate(rows) if other == row]
        ago, age_ms = last - places[-1], times_ms[last] - times_ms[places[-1]]
        if sessions[places[-1]] == sessions[last]:
            recency = 0 if ago == 0 else 1 if ago == 1 else 2 if ago <= 3 else 3 if ago <= 8 else 4
        else:
            recency = 5 if age_ms < DAY_MS else 6 if age_ms < 7 * DAY_MS else 7 if age_ms < 30 * DAY_MS else 8
        count = 0 if len(places) == 1 else 1 if len(places) == 2 else 2 if len(places) <= 4 else 3
        is_next = any(i >= 1 and rows[i - 1] == rows[last] for i in places)
        is_second = any(i >= 2 and rows[i - 2] == rows[last] for i in places)
        groups[row] = (recency, count, 1 if is_next else 2 if is_second else 0)
    return groups


def ungrouped(group: int) -> tuple[int, int, int]:
    return group // NUM_BIGRAMS // NUM_COUNTS, group // NUM_BIGRAMS % NUM_COUNTS, group % NUM_BIGRAMS


@pytest.mark.parametrize("seed", range(8))
def test_every_window_has_the_groups_of_the_plain_definition(
    seed: int, draw_histories: Callable[..., Histories], catalogue: Catalogue
) -> None:
    histories = draw_histories(seed, num_listeners=5, num_plays=300)
    known = known_plays(histories, catalogue, CONFIG)

    windows = ring_windows(known, histories.bounds, np.arange(300))

    rows, listeners = catalogue.rows(histories.track_keys), histories.listeners()
    for anchor in range(300):
        begin = max(histories.bounds[listeners[anchor]], anchor - 63)
        plays = [i for i in range(begin, anchor + 1) if rows[i] != UNKNOWN]
        expected = one_by_one([int(rows[i]) for i in plays], [int(histories.played_at_ms[i]) for i in plays])
        filled = windows.rows[anchor] != PAD
        assert len(expected) == filled.sum()
        groups = zip(windows.rows[anchor][filled], windows.groups[anchor][filled], strict=True)
        assert {int(row): ungrouped(int(group)) for row, group in groups} == expected


def test_a_window_is_read_as_drawn() -> None:
    catalogue = Catalogue([f"t{row}" for row in range(FIRST_TRACK, 10)])
    plays = ["t5", "t9", "t5", "x", "t7", "t9"]
    history = gather_histories(np.zeros(6, np.int64), track_keys(plays), np.arange(6) * 60_000)

    windows = ring_windows(known_plays(history, catalogue, CONFIG), history.bounds, np.array([5]))

    assert windows.heard.tolist() == [[9, 7, 5, 9, 5]]
    assert windows.rows.tolist() == [[9, 7, 5, PAD, PAD]]
    assert [ungrouped(group) for group in windows.groups[0, :3].tolist()] == [(0, 1, 0), (1, 0, 2), (2, 1, 1)]
    assert windows.plays_ago.tolist() == [[0, 1, 3, 0, 0]]


def test_plays_ago_counts_unknown_plays(draw_histories: Callable[..., Histories], catalogue: Catalogue) -> None:
    histories = draw_histories(3, num_listeners=1, num_plays=50)
    known = known_plays(histories, catalogue, CONFIG)

    windows = ring_windows(known, histories.bounds, np.array([49]))

    rows = catalogue.rows(histories.track_keys)
    for row, ago in zip(windows.rows[0], windows.plays_ago[0], strict=True):
        if row != PAD:
            assert ago == 49 - max(i for i in range(50) if rows[i] == row)
