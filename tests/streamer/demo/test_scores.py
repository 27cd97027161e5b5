from collections.abc import Sequence

import msgspec
import pytest

from models.config import LONG_TERM_SIZE
from streamer.demo.scores import MIN_TRUTH, PLAYS_KEPT, WINDOW_PLAYS, Score, Scoreboard
from streamer.local.simulator import SimulatedPlay
from streamer.wire.messages import Horizon, RankedTrack, Recommendation

TRACKS = [f"t{number}" for number in range(400)]


def play(scores: Scoreboard, user: str, *tracks: str) -> None:
    for track in tracks:
        scores.play(SimulatedPlay(user, track, 0, "radio", 0, 0, False))


def answer(scores: Scoreboard, user: str, horizon: Horizon, plays_seen: int, tracks: Sequence[str]) -> None:
    scores.answer(recommend(user, horizon, plays_seen, tracks))


def recommend(user: str, horizon: Horizon, plays_seen: int, tracks: Sequence[str]) -> Recommendation:
    ranked = tuple(RankedTrack(track, 0.0) for track in tracks)
    return Recommendation(user, horizon, ranked, "release", plays_seen, 0, 0, 0, 0)


def test_without_answers_there_are_no_scores() -> None:
    scores = Scoreboard(TRACKS)

    play(scores, "ann", "t0", "t1")
    answer(scores, "ann", "short-term", 2, ["t5"])

    assert scores.refrain == scores.by_popularity == Score(None, None, None)


def test_a_hit_counts_by_its_place() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "short-term", 1, ["t1", "t2", "t3", "t4"])

    play(scores, "ann", "t4")

    assert (scores.refrain.hr_at_20, scores.refrain.mrr_at_20) == (1.0, 0.25)


def test_a_miss_counts_as_nothing() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "short-term", 1, ["t1", "t2"])
    play(scores, "ann", "t2")
    answer(scores, "ann", "short-term", 2, ["t1", "t2"])

    play(scores, "ann", "t9")

    assert (scores.refrain.hr_at_20, scores.refrain.mrr_at_20) == (0.5, 0.25)


def test_each_release_is_judged_by_its_own_answers() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    for plays_seen, (release, next_track) in enumerate((("one", "t1"), ("one", "t2"), ("two", "t1")), start=1):
        given = recommend("ann", "short-term", plays_seen, ["t1"])
        scores.answer(msgspec.structs.replace(given, release=release))
        play(scores, "ann", next_track)

    assert scores.hit_rates == {"one": 0.5, "two": 1.0}
    assert scores.refrain.hr_at_20 == 2 / 3


def test_only_the_very_next_play_of_the_same_listener_counts() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "short-term", 1, ["t1"])

    play(scores, "bob", "t1")
    play(scores, "ann", "t2", "t1")

    assert scores.refrain.hr_at_20 == 0.0


def test_an_answer_may_be_read_after_the_next_play_was_sent() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0", "t1", "t2")

    answer(scores, "ann", "short-term", 1, ["t1"])
    answer(scores, "ann", "short-term", 2, ["t1"])

    assert scores.refrain.hr_at_20 == 0.5
    assert [heard.place for heard in scores.listeners["ann"].heard] == [None, 1, 0]


def test_an_answer_whose_plays_are_no_longer_kept_is_not_scored() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", *["t0"] * (PLAYS_KEPT + 2))

    answer(scores, "ann", "short-term", 1, ["t0"])

    assert scores.refrain.hr_at_20 is None


def test_recall_is_the_share_of_the_distinct_tracks_of_the_window() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "long-term", 1, ["t1", "t2", "t300"])

    play(scores, "ann", *(f"t{1 + number % 10}" for number in range(WINDOW_PLAYS)), "t300")

    assert scores.refrain.lt_recall_at_100 == pytest.approx(2 / 10)


def test_a_window_is_scored_when_it_is_full() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "long-term", 1, ["t1"])

    play(scores, "ann", *TRACKS[1:WINDOW_PLAYS])

    assert scores.refrain.lt_recall_at_100 is None


def test_a_window_cut_off_by_the_end_counts_with_the_plays_it_has() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "long-term", 1, ["t1", "t2"])
    play(scores, "ann", *TRACKS[1 : 1 + MIN_TRUTH])

    scores.close()

    assert scores.refrain.lt_recall_at_100 == pytest.approx(2 / MIN_TRUTH)


def test_a_window_with_too_few_tracks_is_not_scored() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", "t0")
    answer(scores, "ann", "long-term", 1, ["t1"])
    play(scores, "ann", *["t1"] * WINDOW_PLAYS)

    scores.close()

    assert scores.refrain.lt_recall_at_100 is None


def test_popularity_answers_the_same_plays() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", *["t300"] * 60, *["t200"] * 40)  # t300 comes first, then t200, then the lower rows
    answer(scores, "ann", "short-term", 100, [])
    answer(scores, "ann", "long-term", 100, [])

    play(scores, "ann", "t200", *(f"t{300 + number % 5}" for number in range(WINDOW_PLAYS - 1)))

    popularity = scores.by_popularity
    assert (popularity.hr_at_20, popularity.mrr_at_20) == (1.0, 0.5)
    assert popularity.lt_recall_at_100 == pytest.approx(2 / 6)
    assert scores.refrain == Score(0.0, 0.0, 0.0)


def test_popularity_does_not_count_the_play_it_predicts() -> None:
    scores = Scoreboard(TRACKS)
    play(scores, "ann", *["t1"] * 100)
    answer(scores, "ann", "short-term", 100, [])

    play(scores, "ann", "t399")

    assert scores.by_popularity.hr_at_20 == 0.0


def test_chance_depends_only_on_the_size_of_the_catalogue() -> None:
    chance = Scoreboard(TRACKS).by_chance

    assert (chance.hr_at_20, chance.lt_recall_at_100) == (20 / 400, LONG_TERM_SIZE / 400)
    assert chance.mrr_at_20 == pytest.approx(3.5977 / 400, rel=1e-4)


def test_the_latest_lists_are_kept_for_the_screen() -> None:
    scores = Scoreboard(TRACKS)

    for plays_seen, track in enumerate(["t3", "t4"], start=1):
        play(scores, "ann", "t0")
        answer(scores, "ann", "short-term", plays_seen, [track])

    assert scores.listeners["ann"].lists == {"short-term": [4]}
    assert scores.latest_answered == "ann"
