from __future__ import annotations

import numpy as np

from models.baselines import markov_lists, popularity_lists
from models.split import Plays, Split, split_plays

# before T1 (1,000 ms): a and b three plays each, c two; c follows a twice, b once; a follows c twice
TRACKS = {0: "acacab", 1: "bb"}


def split_of_letters() -> Split:
    listeners = np.repeat([0, 1], [len(TRACKS[0]) + 2, len(TRACKS[1]) + 1])
    letters = TRACKS[0] + "ac" + TRACKS[1] + "a"
    tracks = np.array(["abc".index(letter) for letter in letters])
    times_ms = np.array([1, 2, 3, 4, 5, 6, 2000, 2001, 1, 2, 2000])
    return split_plays(Plays(listeners, tracks, ["a", "b", "c"], times_ms), t1_ms=1000, t2_ms=1500)


def names(split: Split, rows: np.ndarray) -> str:
    return "".join(split.catalogue.track_ids[row - 2] for row in rows if row)


def test_popularity_ranks_by_plays_before_t1_for_everybody() -> None:
    split = split_of_letters()

    lists = popularity_lists(split, "test")

    assert [names(split, rows) for rows in lists.short_term] == ["abc"] * 3
    assert lists.long_term.shape == (3, 100)


def test_markov_ranks_by_what_followed_the_current_track_then_by_popularity() -> None:
    split = split_of_letters()

    lists = markov_lists(split, "test")

    currents = [names(split, split.rows[[anchor]]) for anchor in split.anchors("test")]
    ranked = dict(zip(currents, (names(split, rows) for rows in lists.short_term), strict=True))
    assert ranked == {"b": "bac", "a": "cba"}
