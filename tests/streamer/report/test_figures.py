import json
from collections.abc import Sequence

import numpy as np
import pytest

from models.evaluation.baselines import BASELINES
from models.plays.split import Lists, Split
from streamer.report.figures import Asking, Figures, describe, describe_split
from streamer.report.runs import SystemRun


@pytest.fixture(scope="module")
def popular(split: Split) -> Lists:
    return BASELINES["popularity"].fit(split).rank(split, "test")


@pytest.fixture(scope="module")
def seeing(split: Split, popular: Lists) -> Lists:
    """Lists with the next play on top of every second one, and popular tracks in the others."""
    anchors = split.anchors("test")
    short_term = popular.short_term.copy()
    short_term[::2] = 0
    short_term[::2, 0] = split.rows[anchors[::2] + 1]
    return Lists(short_term, popular.long_term)


def described(split: Split, name: str, lists: Sequence[Lists], every: int = 1, **others: Sequence[Lists]) -> Figures:
    runs = {seed: SystemRun(each, {"size": 3}) for seed, each in enumerate(lists, 1)}
    return describe(name, runs, split, Asking(every), others=others)


def test_a_system_that_always_names_the_next_play_first_always_hits(split: Split, seeing: Lists) -> None:
    figures = described(split, "gru4rec", [seeing], every=2)  # only where it sees

    assert (figures["hr_at_20"], figures["mrr_at_20"], figures["ndcg_at_10"]) == (1, 1, 1)
    assert figures["intervals"]["hr_at_20"] == [1, 1]


def test_figures_of_several_seeds_are_their_means(split: Split, seeing: Lists, popular: Lists) -> None:
    figures = described(split, "gru4rec", [seeing, popular])

    of_seeds = [figures["of_seeds"][seed] for seed in ("1", "2")]
    assert of_seeds[0]["hr_at_20"] > of_seeds[1]["hr_at_20"] > 0
    for metric in ("hr_at_20", "mrr_at_20", "coverage_at_20", "lt_recall_at_100"):
        assert figures[metric] == pytest.approx(np.mean([each[metric] for each in of_seeds]), abs=2e-5)
    assert figures["seeds"] == [1, 2]


def test_systems_that_only_count_have_no_seeds(split: Split, popular: Lists) -> None:
    figures = described(split, "popularity", [popular])

    assert (figures["seeds"], figures["of_seeds"], figures["losses"]) == ([], {}, [])
    assert figures["plays_per_s"] is None


def test_losses_and_speeds_are_those_of_the_runs(split: Split, popular: Lists) -> None:
    runs = {1: SystemRun(popular, {}, [2.00004, 1.0], 100.0), 2: SystemRun(popular, {}, [3.0, 2.0], 300.0)}

    figures = describe("gru4rec", runs, split, Asking(), others={})

    assert figures["losses"] == [[2.0, 1.0], [3.0, 2.0]]
    assert figures["plays_per_s"] == 200


def test_a_lead_is_the_difference_of_two_figures(split: Split, seeing: Lists, popular: Lists) -> None:
    mine = described(split, "gru4rec", [seeing], popularity=[popular])
    theirs = described(split, "popularity", [popular])

    lead = mine["ahead_of"]["popularity"]
    for metric in ("hr_at_20", "mrr_at_20"):
        assert lead[metric]["mean"] == pytest.approx(mine[metric] - theirs[metric], abs=2e-5)
    assert lead["hr_at_20"]["low"] > 0
    assert lead["lt_recall_at_100"] == {"mean": 0, "low": 0, "high": 0}


def test_repeats_and_discoveries_cover_all_questions(split: Split, seeing: Lists) -> None:
    figures = described(split, "gru4rec", [seeing])

    counts = {name: group["num_anchors"]["short-term"] for name, group in figures["groups"].items()
              if "short-term" in group["num_anchors"]}  # fmt: skip
    num_asked = len(split.anchors("test"))
    assert counts["repeat"] + counts["discovery"] == num_asked
    assert counts["in_session"] + counts["session_start"] == num_asked
    for bins in figures["broken_down"].values():
        assert sum(each["num_anchors"] for each in bins) == num_asked


def test_figures_are_json_without_surprises(split: Split, seeing: Lists) -> None:
    figures = described(split, "gru4rec", [seeing, seeing], popularity=[seeing])

    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_split_is_described_as_it_is_asked(split: Split) -> None:
    figures_of_split, played_at_ms = describe_split(split, Asking(every=3)), split.histories.played_at_ms

    assert figures_of_split["num_training_plays"] == (played_at_ms < split.t1_ms).sum()
    assert figures_of_split["short_term_anchors"] == len(split.anchors("test")[::3])
    assert (figures_of_split["short_term_every"], figures_of_split["long_term_every"]) == (3, 9)
    assert figures_of_split["test_listeners"] <= figures_of_split["num_listeners"] == split.histories.num_listeners


def test_the_cold_share_is_of_the_plays_of_the_test_part(split: Split) -> None:
    times_ms, warm_ms = split.served.played_at_ms, split.histories.played_at_ms

    num_all, num_warm = (times_ms >= split.t2_ms).sum(), (warm_ms >= split.t2_ms).sum()

    assert describe_split(split, Asking())["cold_test_share"] == pytest.approx(1 - num_warm / num_all, abs=1e-5)
