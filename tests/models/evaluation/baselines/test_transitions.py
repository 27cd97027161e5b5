from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.baselines import rank
from models.evaluation.baselines.transitions import Transitions
from models.plays.split import Split
from tests.models.evaluation.baselines.conftest import names, split_of


def test_markov_ranks_by_what_followed_the_current_track_then_by_popularity() -> None:
    split = split_of(["acacab", "bb"], later=["ac", "a"])

    (lists,) = rank(Transitions(reach=1, num_plays=1).fit(split), split, split.anchors("test"), [1.0])

    assert [names(split, rows) for rows in lists.short_term] == ["bac", "cba", "bac"]


@pytest.mark.parametrize("method", [Transitions(), Transitions(reach=3, num_plays=4, decay=0.8), Transitions(reach=1)])
def test_rules_are_those_of_the_definition(split: Split, method: Transitions) -> None:
    anchors = split.anchors("test")[::9]

    scores = method.fit(split).score(split, anchors).toarray()

    rules = counted_rules(split, method.reach)
    shares = rules / np.maximum(rules.sum(axis=1, keepdims=True), 1e-9)
    for row, anchor in zip(scores, anchors.tolist(), strict=True):
        begin = split.histories.bounds[split.histories.listeners()[anchor]]
        played = split.rows[begin : anchor + 1][::-1][: method.num_plays] - 2
        expected = sum(method.decay**ago * shares[track] for ago, track in enumerate(played))
        np.testing.assert_allclose(row, expected, atol=1e-5)


def counted_rules(split: Split, reach: int) -> np.ndarray:
    """Count pair by pair."""
    rules = np.zeros((len(split.catalogue), len(split.catalogue)))
    for begin, end in zip(split.histories.bounds[:-1], split.histories.bounds[1:], strict=True):
        train = [play for play in range(begin, end) if split.histories.played_at_ms[play] < split.t1_ms]
        for play in train:
            for later in train:
                if play < later <= play + reach:
                    rules[split.rows[play] - 2, split.rows[later] - 2] += 1 / (later - play)
    return rules
