from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.baselines.queries import decayed_query, latest_plays
from models.plays.split import Split
from tests.models.evaluation.baselines.conftest import split_of


def test_the_latest_plays_are_the_listeners_own_newest_first() -> None:
    split = split_of(["abc", "d"], later=["a", "b"])  # in order: a b c a d b

    plays, real = latest_plays(split, np.array([2, 4]), 2)

    assert plays[real].tolist() == [2, 1, 4]
    assert real.tolist() == [[True, True], [True, False]]


def test_the_width_is_at_most_the_longest_history() -> None:
    split = split_of(["abc", "d"], later=["a", "b"])

    plays, _ = latest_plays(split, np.array([2, 4]), 2000)

    assert plays.shape == (2, 3)


def test_a_track_weighs_the_sum_of_its_plays(split: Split) -> None:
    anchors = split.anchors("test")[::7]

    query = decayed_query(split, anchors, 20, 0.9).toarray()

    for row, anchor in zip(query, anchors.tolist(), strict=True):
        begin = split.histories.bounds[split.histories.listeners()[anchor]]
        weights = dict.fromkeys(range(len(row)), 0.0)
        for ago, play in enumerate(range(anchor, max(begin, anchor - 19) - 1, -1)):
            weights[split.rows[play] - 2] += 0.9**ago
        assert list(weights.values()) == pytest.approx(row.tolist(), abs=1e-5)
