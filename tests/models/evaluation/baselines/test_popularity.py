from __future__ import annotations

from models.evaluation.baselines import rank
from models.evaluation.baselines.popularity import PersonalPopularity, Popularity
from tests.models.evaluation.baselines.conftest import names, split_of


def test_popularity_ranks_by_plays_before_t1_for_every_listener() -> None:
    split = split_of(["cbcbca", "b"], later=["cc", "a"])

    (lists,) = rank(Popularity().fit(split), split, split.anchors("test"), [1.0])

    assert [names(split, rows) for rows in lists.short_term] == ["bca"] * 3


def test_personal_popularity_ranks_by_the_listeners_own_plays_then_by_popularity() -> None:
    split = split_of(["aabcd", "dddc"], later=["a", "b"])

    (lists,) = rank(PersonalPopularity(1.0).fit(split), split, split.anchors("test"), [1.0])

    assert [names(split, rows) for rows in lists.short_term] == ["adcb", "dcab"]


def test_with_decay_a_newer_play_counts_more() -> None:
    split = split_of(["aab"], later=["a"])

    (plain,) = rank(PersonalPopularity(1.0), split, split.anchors("test"), [1.0])
    (decayed,) = rank(PersonalPopularity(0.5), split, split.anchors("test"), [1.0])

    assert names(split, plain.short_term[0]) == "ab"
    assert names(split, decayed.short_term[0]) == "ba"  # 1 against .5 + .25
