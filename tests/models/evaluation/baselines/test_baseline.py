from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.evaluation.baselines import BASELINES, VARIANTS, Baseline, rank
from models.evaluation.baselines.popularity import PersonalPopularity, Popularity
from models.plays.split import Plays, Split, split_plays
from tests.models.evaluation.baselines.conftest import names, split_of


@dataclass(frozen=True)
class Fixed:
    """Scores by track, the same for every listener."""

    scores: tuple[float, ...]

    def fit(self, _: Split) -> Fixed:
        return self

    def score(self, _: Split, anchors: np.ndarray) -> csr_array:
        return csr_array(np.tile(np.array(self.scores, np.float32), (len(anchors), 1)))


def test_each_horizon_has_its_own_method() -> None:
    split = split_of(["aabbc"], later=["ab"])

    lists = Baseline(Fixed((1, 2, 3)), Fixed((3, 2, 1))).fit(split).rank(split, "test")

    assert [names(split, rows) for rows in lists.short_term] == ["cba", "cba"]
    assert [names(split, rows) for rows in lists.long_term] == ["abc", "abc"]
    assert lists.long_term.shape == (2, 100)


def test_equal_scores_are_ranked_by_plays_before_t1_and_then_by_row() -> None:
    split = split_of(["cabbcd"], later=["ab"])

    (lists,) = rank(Fixed((0.5, 0.5, 0.5, 0.7)), split, split.anchors("test"), [1.0])

    assert names(split, lists.short_term[0]) == "dbca"


def test_the_latest_plays_are_damped_in_the_short_term_list_only() -> None:
    split = split_of(["bcda" + "c" * 18], later=["bd"])  # the d is 20 plays back, then 21

    fully, damped = rank(Fixed((8, 6, 4, 1)), split, split.anchors("test"), [1.0, 0.1])

    assert [names(split, rows) for rows in fully.short_term] == ["abcd", "abcd"]
    assert [names(split, rows) for rows in damped.short_term] == ["bacd", "dabc"]
    assert [names(split, rows) for rows in damped.long_term] == ["abcd", "abcd"]


def test_slicing_does_not_change_the_lists(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    method, anchors = PersonalPopularity(0.9), split.anchors("test")
    (whole,) = rank(method, split, anchors, [0.5])

    monkeypatch.setattr("models.evaluation.baselines.baseline._MAX_SCORES", 3 * len(split.catalogue))
    (sliced,) = rank(method, split, anchors, [0.5])

    np.testing.assert_array_equal(whole.short_term, sliced.short_term)
    np.testing.assert_array_equal(whole.long_term, sliced.long_term)


def test_a_part_without_anchors_has_no_lists(split: Split) -> None:
    (lists,) = rank(Popularity(), split, np.empty(0, np.int64), [1.0])

    assert (lists.short_term.shape, lists.long_term.shape) == ((0, 20), (0, 100))


def test_every_baseline_is_among_its_variants() -> None:
    assert BASELINES.keys() == VARIANTS.keys()
    for name, baseline in BASELINES.items():
        assert baseline.short_term in VARIANTS[name], name
        assert baseline.long_term in VARIANTS[name], name


@pytest.mark.parametrize("name", BASELINES)
def test_no_baseline_looks_past_t1_or_past_its_anchor(split: Split, name: str) -> None:
    anchors = split.anchors("validation")
    anchor = int(anchors[anchors < split.histories.bounds[1]][0])
    kept = np.ones(len(split.order), np.bool_)
    kept[(np.arange(len(kept)) > anchor) & (split.served.listeners() == 0)] = False
    kept |= split.served.played_at_ms < split.t1_ms
    whole, shortened = split, _without(split, kept)

    lists, lists_of_shortened = (
        rank(BASELINES[name].short_term.fit(each), each, np.array([anchor]), [1.0])[0] for each in (whole, shortened)
    )

    np.testing.assert_array_equal(lists.long_term, lists_of_shortened.long_term)


def _without(split: Split, kept: np.ndarray) -> Split:
    """Split again without some plays; all tracks are warm, so that plays of the stream are plays of the split."""
    served, ids = split.served, split.catalogue.track_ids
    assert len(served.track_keys) == len(split.rows)
    plays = Plays(served.listeners()[kept], split.rows[kept] - 2, ids, served.played_at_ms[kept])
    return split_plays(plays, t1_ms=split.t1_ms, t2_ms=split.t2_ms)
