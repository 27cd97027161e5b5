"""A candidate, the champion and the baselines answer the same held-out plays.

Nothing is trained: a network that favours tracks in the ring is good for listeners who play a few tracks over and over,
and one that avoids them is bad.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.plays.catalogue import Catalogue, track_keys
from models.plays.split import Split, split_plays
from models.release import Release
from models.release_files import to_json
from models.serving.recommender import Recommender
from streamer.archive.plays import ArchivedPlays
from streamer.training.comparison import Judgement, Terms, columns, judge_candidate, measure_live
from tests.builders import release_of, tiny_network

NUM_LISTENERS, NUM_PLAYS_EACH, LOOP = 20, 40, 4
TRACK_IDS = [f"t{track}" for track in range(NUM_LISTENERS * LOOP)]
FIRST_MS, GAP_MS, DAY_MS = 1_795_000_000_000, 200_000, 86_400_000
NOTHING = np.empty(0, np.uint64)
NUM_PLAYS = NUM_LISTENERS * NUM_PLAYS_EACH
HELD_OUT_FROM = NUM_PLAYS * 4 // 5


def played(users: NDArray[np.int64], tracks: NDArray[np.int64]) -> ArchivedPlays:
    """Plays that arrived one after the other."""
    return ArchivedPlays(
        user_ids=[f"u{user}" for user in range(users.max() + 1)],
        users=users,
        track_ids=TRACK_IDS,
        tracks=tracks,
        played_at_ms=FIRST_MS + GAP_MS * np.arange(len(users)),
        contexts=np.zeros(len(users), np.uint8),
        skipped=np.zeros(len(users), np.bool_),
        partitions=np.zeros(len(users), np.int32),
        offsets=np.arange(len(users)),
    )


def liking_the_past(weight: float) -> Recommender:
    network = tiny_network(num_tracks=len(TRACK_IDS))
    for weights, gates in zip(network.ring_weights, network.ring_gates, strict=True):
        torch.nn.init.constant_(weights, weight)
        torch.nn.init.zeros_(gates)
    return Recommender(network, Catalogue(TRACK_IDS))


GOOD, BAD = liking_the_past(9.0), liking_the_past(-9.0)


def champion_of(recommender: Recommender, **metrics: int) -> Release:
    return replace(release_of(recommender.network, 3, TRACK_IDS), metrics=metrics, created_at_ms=FIRST_MS)


def looping() -> ArchivedPlays:
    """Each listener plays four tracks of their own, round and round; no track is more popular than another."""
    plays = np.arange(NUM_PLAYS)
    users, rounds = plays % NUM_LISTENERS, plays // NUM_LISTENERS
    return played(users, LOOP * users + rounds % LOOP)


@pytest.fixture(scope="module")
def loops() -> ArchivedPlays:
    return looping()


def held_out(plays: ArchivedPlays) -> Split:
    cut_ms = FIRST_MS + GAP_MS * HELD_OUT_FROM
    return split_plays(columns(plays), t1_ms=cut_ms, t2_ms=cut_ms)


def judged(plays: ArchivedPlays, candidate: Recommender, champion: Release | None = None, **terms: Any) -> Judgement:
    fixed: dict[str, Any] = {"now_ms": FIRST_MS + DAY_MS, "fresh_after_s": 2 * 86_400.0, "num_new": len(plays)}
    return judge_candidate(plays, held_out(plays), candidate, champion, Terms(**fixed | terms))


def figures_of(judgement: Judgement) -> Any:
    """The metrics of a judgement as in JSON: nested objects of many shapes."""
    return judgement.metrics


@pytest.fixture(scope="module")
def judgement(loops: ArchivedPlays) -> Judgement:
    """Judge a good candidate against a bad champion that was judged on 240 plays at its release."""
    then = {"held_out_from_ms": FIRST_MS + GAP_MS * 400, "held_out_until_ms": FIRST_MS + GAP_MS * 640}
    return judged(loops, GOOD, champion_of(BAD, **then), traffic="One listener was left out.")


def test_a_candidate_that_beats_the_charts_may_be_the_first_release(loops: ArchivedPlays) -> None:
    outcome = judged(loops, GOOD)

    assert outcome.verdict.may_be_released
    assert outcome.metrics["verdict"] == outcome.verdict.paragraph


def test_a_candidate_that_does_not_beat_the_charts_is_refused(loops: ArchivedPlays) -> None:
    outcome = judged(loops, BAD)

    assert not outcome.verdict.may_be_released
    assert outcome.verdict.reason == "not significantly better than popularity in HR@20"


def test_a_better_candidate_replaces_the_champion(judgement: Judgement) -> None:
    assert judgement.verdict.may_be_released
    assert judgement.verdict.reason.startswith("better than the champion in HR@20")


def test_a_worse_candidate_does_not_replace_the_champion(loops: ArchivedPlays) -> None:
    outcome = judged(loops, BAD, champion_of(GOOD))

    assert not outcome.verdict.may_be_released
    assert "worse than the champion in HR@20" in outcome.verdict.reason


@pytest.mark.parametrize(("age_ms", "is_replaced"), [(DAY_MS, False), (3 * DAY_MS, True)])
def test_an_equal_candidate_replaces_only_an_old_champion(
    loops: ArchivedPlays, age_ms: int, *, is_replaced: bool
) -> None:
    outcome = judged(loops, GOOD, champion_of(GOOD), now_ms=FIRST_MS + age_ms)

    assert outcome.verdict.may_be_released == is_replaced


def test_everyone_is_measured_on_the_same_plays(judgement: Judgement, loops: ArchivedPlays) -> None:
    champion = figures_of(judgement)["release-3"]

    assert champion == figures_of(judged(loops, BAD))["candidate"]
    for name in ("candidate", "popularity", "personal_popularity", "markov", "sequential_rules", "item_knn"):
        groups = figures_of(judgement)[name]["groups"]
        assert groups["short-term/all"]["num_anchors"] == champion["groups"]["short-term/all"]["num_anchors"]


def test_the_release_says_which_plays_were_held_out(judgement: Judgement) -> None:
    assert judgement.metrics["held_out_from_ms"] == FIRST_MS + GAP_MS * HELD_OUT_FROM
    assert judgement.metrics["held_out_until_ms"] == FIRST_MS + GAP_MS * (NUM_PLAYS - 1) + 1


def test_what_is_measured_can_be_kept_in_a_release(judgement: Judgement) -> None:
    assert to_json(judgement.metrics)
    assert figures_of(judgement)["gate"]["traffic"] == "One listener was left out."
    assert judgement.verdict.paragraph.endswith("One listener was left out.")


def test_the_champion_is_also_compared_on_the_plays_it_was_judged_on(judgement: Judgement) -> None:
    champion = figures_of(judgement)["gate"]["champion"]

    assert champion["reference"]["num_plays"] == 640 - 400
    assert champion["then"]["HR@20"]["low"] > 0
    assert champion["age_s"] == 86_400


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"held_out_from_ms": FIRST_MS - 2 * DAY_MS, "held_out_until_ms": FIRST_MS - DAY_MS},
        {"held_out_from_ms": FIRST_MS, "held_out_until_ms": FIRST_MS + DAY_MS},
    ],
    ids=["it says none", "they have left the window", "nothing came before them"],
)
def test_a_champion_without_such_plays_is_judged_on_the_newest_alone(
    loops: ArchivedPlays, metrics: dict[str, int]
) -> None:
    champion = figures_of(judged(loops, GOOD, champion_of(BAD, **metrics)))["gate"]["champion"]

    assert (champion["reference"], champion["then"]) == (None, {})
    assert champion["newest"]["HR@20"]["low"] > 0


def test_new_listeners_do_not_judge_if_there_are_long_known_ones() -> None:
    places = np.arange(NUM_PLAYS)
    users = np.where(places < NUM_PLAYS - 300, places % 12, places % NUM_LISTENERS)
    plays = played(users, LOOP * users + places // NUM_LISTENERS % LOOP)

    panel = figures_of(judged(plays, GOOD, num_new=300))["gate"]["judged"]

    assert (panel["is_long_known"], panel["num_listeners"]) == (True, 12)


def test_if_most_of_a_window_is_new_its_first_half_makes_listeners_known(loops: ArchivedPlays) -> None:
    panel = figures_of(judged(loops, GOOD, num_new=NUM_PLAYS))["gate"]["judged"]

    assert (panel["is_long_known"], panel["num_listeners"]) == (True, NUM_LISTENERS)


def test_the_live_hit_rate_is_of_the_plays_that_are_judged(loops: ArchivedPlays) -> None:
    right, wrong = np.arange(200, 400), np.arange(400, 600)
    strange = replace(loops, tracks=loops.tracks.copy())
    strange.tracks[wrong] = (loops.tracks[wrong] + 40 + wrong) % len(TRACK_IDS)

    rates = [measure_live(GOOD, strange, chosen, NOTHING) for chosen in (right, wrong)]

    assert [each and each.mean > 0.9 for each in rates] == [True, False]


def test_a_few_listeners_have_no_live_hit_rate(loops: ArchivedPlays) -> None:
    of_three = np.flatnonzero(loops.users < 3)

    assert measure_live(GOOD, loops, of_three, NOTHING) is None


def test_withdrawn_tracks_are_in_nobodys_lists_and_judge_no_live_hit_rate(loops: ArchivedPlays) -> None:
    """Half of each listener's loop is withdrawn: nobody can list it, so at most half of the plays are hits."""
    withdrawn = np.sort(track_keys([TRACK_IDS[track] for track in range(len(TRACK_IDS)) if track % LOOP < LOOP // 2]))

    with_all = figures_of(judged(loops, GOOD, champion_of(GOOD)))
    without = figures_of(judged(loops, GOOD, champion_of(GOOD), withdrawn=withdrawn))

    def hit_rate(figures: Any, name: str) -> float:
        return float(figures[name]["groups"]["short-term/all"]["metrics"]["HR@20"]["mean"])

    names = ("candidate", "release-3", "personal_popularity", "markov")
    assert [hit_rate(with_all, name) for name in names] == pytest.approx([1.0] * 4, abs=0.02)
    assert [hit_rate(without, name) for name in names] == pytest.approx([0.5] * 4, abs=0.02)
    assert (with_all["tracks_withdrawn"], without["tracks_withdrawn"]) == (0, len(TRACK_IDS) // 2)
    assert without["live_hit_rate"]["mean"] > 0.95
    assert without["gate"]["champion"]["newest"]["HR@20"]["mean"] == 0.0
