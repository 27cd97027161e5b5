"""The day's own instruments count what was played."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from streamer.demo.traffic import START_MS
from streamer.local.simulator import SimulatedPlay
from streamer.local.world import DAY_MS
from streamer.wire.messages import RankedTrack, Recommendation
from tests.bench.day.bots import LIST_TRACKS, Bots, is_bot
from tests.bench.day.figures import complaints
from tests.bench.day.notebook import Notebook, Notes
from tests.bench.day.page import draw_page
from tests.bench.day.rates import binned, changes
from tests.bench.day.scale import DayScale

BOTS = Bots(4, num_lists=2, from_ms=START_MS, until_ms=START_MS + DAY_MS / 4)


def play(notebook: Notebook, user: str, *tracks: str) -> None:
    for track in tracks:
        notebook.play(SimulatedPlay(user, track, START_MS, "radio", 0, 0, False))


def answer(notebook: Notebook, user: str, plays_seen: int, tracks: list[str], release: str = "r1") -> None:
    ranked = tuple(RankedTrack(track, 0.0) for track in tracks)
    notebook.answer(Recommendation(user, "short-term", ranked, release, plays_seen, 0, 0, 0, 0))


def test_bots_play_their_list_in_order_over_and_over() -> None:
    plays = list(BOTS.plays())
    third = [play.track_id for play in plays if play.user_id == "bot-002"]

    assert all(a.played_at <= b.played_at < BOTS.until_ms for a, b in pairwise(plays))
    assert third[:LIST_TRACKS] == list(BOTS.track_ids[:LIST_TRACKS])
    assert third[LIST_TRACKS : 2 * LIST_TRACKS] == third[:LIST_TRACKS]
    assert {play.track_id for play in plays} == set(BOTS.track_ids)
    assert all(is_bot(play.user_id) for play in plays)


@pytest.mark.long
def test_messages_come_in_order_of_time_and_end() -> None:
    scale = replace(DayScale(), num_days=26.0)
    plays = [message.play for message in scale.messages(scale.world())]
    times_ms = [play.played_at for play in plays if play is not None]
    bots_ms = [play.played_at for play in plays if play is not None and is_bot(play.user_id)]

    assert len(times_ms) == len(plays)
    assert times_ms == sorted(times_ms)
    assert times_ms[-1] < scale.until_ms
    assert scale.bots.from_ms <= bots_ms[0] < bots_ms[-1] < scale.bots.until_ms


def test_a_play_is_judged_by_the_answer_to_the_previous_play_whichever_comes_first() -> None:
    notebook = Notebook(lambda: 7.0)
    play(notebook, "ann", "t0")
    answer(notebook, "ann", 1, ["t1", "t2"])
    play(notebook, "ann", "t2", "t3", "t4")
    play(notebook, "bob", "t1")
    answer(notebook, "ann", 3, ["t3"], "r2")
    answer(notebook, "ann", 2, ["t3"])
    answer(notebook, "ann", 4, ["t5"], "r3")  # no play follows it

    notes = notebook.notes()

    np.testing.assert_array_equal(notes.hits, [np.nan, 1, 1, 0, np.nan])
    named = [notes.release_ids[release] if release >= 0 else "" for release in notes.releases]
    assert named == ["", "r1", "r1", "r2", ""]
    assert set(notes.release_ids) == {"r1", "r2"}
    assert notes.listeners.tolist() == [0, 0, 0, 0, 1]


@pytest.fixture
def notes() -> Notes:
    """Forty listeners and a bot; the first release answers half of the plays and hits 3 of 10, the second 6 of 10."""
    num_plays = 8_000
    rng = np.random.default_rng(1)
    listeners, releases = rng.integers(41, size=num_plays), np.arange(num_plays) * 2 // num_plays
    return Notes(
        listeners=listeners,
        is_bot=listeners == 40,
        track_keys=np.zeros(num_plays, np.uint64),
        played_at_ms=START_MS + np.arange(num_plays) * (4 * DAY_MS // num_plays),
        sent_at_s=np.arange(num_plays) / 100,
        contexts=np.zeros(num_plays, np.uint8),
        hits=np.where(listeners == 40, 0, rng.random(num_plays) < np.where(releases, 0.6, 0.3)).astype(np.float64),
        releases=releases,
        release_ids=("r1", "r2"),
    )


def test_a_rate_over_time_counts_listeners_only(notes: Notes) -> None:
    bins = binned(notes.hits, notes, 1.0)

    assert [each.day for each in bins] == [0.5, 1.5, 2.5, 3.5]
    assert [each.rate.mean for each in bins] == pytest.approx([0.3, 0.3, 0.6, 0.6], abs=0.04)
    assert all(each.rate.low < each.rate.mean < each.rate.high for each in bins)
    assert sum(each.num_plays for each in bins) == (~notes.is_bot).sum()


def test_a_release_is_compared_with_the_plays_before_and_with_the_former_release(notes: Notes) -> None:
    (change,) = changes(notes, [np.zeros(len(notes.hits))])

    assert change is not None
    assert (change.before.mean, change.after.mean) == pytest.approx((0.3, 0.6), abs=0.03)
    assert change.difference.mean == pytest.approx(change.after.mean - change.before.mean)
    assert 0.25 < change.difference.low < change.difference.mean < change.difference.high < 0.35
    assert change.against_the_former == change.after


def test_a_release_with_few_answers_has_no_change(notes: Notes) -> None:
    few = replace(notes, releases=np.where(np.arange(len(notes.hits)) < 7_995, 0, 1))

    assert list(changes(few, [notes.hits])) == [None]


def figures(**bots: object) -> dict[str, object]:
    rate = {"mean": 0.5, "low": 0.4, "high": 0.6}
    change = {"num_before": 1, "num_after": 1, "before": rate, "after": rate, "difference": rate}
    release = {"release": "r<1>", "day": 7.5, "published_day": 7.1, "trigger": "plays", "fitted_on": 9, "change": None}
    return {
        "listeners": 1, "tracks": 2, "debut_share": 0.5, "history_plays": 3, "days": 9.0, "sending_s": 60,
        "balance": {"plays": 9, "lost": 0, "twice": 0, "faults": 0},
        "bin_days": 2, "lines": {"live": [{"day": day, "num_plays": 9, "rate": rate} for day in (1.0, 3.0)]},
        "lead_of_last_days": {"days": 10, "second": rate},
        "releases": [
            release | {"verdict": "Published: first."},
            release
            | {"day": 9.0, "published_day": 8.8, "verdict": "Published: second."}
            | {"change": change | {"against_the_former": rate}},
        ],
        "refusals": [{"day": 8.4, "trigger": "plays", "reason": "bots", "verdict": "Refused before any fit: scripts."}],
        "bots": {"accounts": 3, "lists": 2, "plays": 99, "share": 0.9, "from_day": 8.0, "until_day": 8.5,
                 "releases_that_know_their_tracks": [], "is_noticed": True} | bots,
    }  # fmt: skip


def test_a_good_day_has_no_complaints() -> None:
    assert list(complaints(figures())) == []


@pytest.mark.parametrize(
    ("bots", "complaint"),
    [
        ({"releases_that_know_their_tracks": ["r1"]}, "fitted on plays of bots: r1"),
        ({"is_noticed": False}, "neither refused nor left out"),
        ({"until_day": 9.5}, "no release followed the bots"),
    ],
)
def test_bots_that_were_learned_from_unnoticed_or_last_are_complained_of(
    bots: dict[str, object], complaint: str
) -> None:
    (actual,) = complaints(figures(**bots))

    assert complaint in actual


def test_a_single_release_and_a_lost_play_are_complained_of() -> None:
    bad = figures()
    bad["releases"] = [{"day": 9.0}]
    bad["balance"] = {"faults": 2}

    assert [each.split()[0] for each in complaints(bad)] == ["no", "2"]


def test_the_page_lists_events_in_order() -> None:
    page = draw_page(json.loads(json.dumps(figures())))

    assert page.index("Published: first.") < page.index("Refused before any fit: scripts.")
    assert page.index("Refused before any fit: scripts.") < page.index("Published: second.")
    assert "r&lt;1&gt;" in page
    assert page.count('class="mark"') == 2
    assert page.count('class="shade"') == 1
