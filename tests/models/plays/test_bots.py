"""Bots: scripts are noticed, listeners are not suspected."""

from __future__ import annotations

import numpy as np
import pytest

from models.plays.bots import MAX_STRETCH_PLAYS, MIN_STRETCH_PLAYS, find_bots

NUM_PLAYS, NUM_LISTENERS, NUM_TRACKS = 20_000, 1_000, 3_000
FIRST_NEW = 15_000


@pytest.fixture
def listeners() -> np.ndarray:
    return np.random.default_rng(1).integers(0, NUM_LISTENERS, NUM_PLAYS)


@pytest.fixture
def tracks() -> np.ndarray:
    return (NUM_TRACKS * np.random.default_rng(2).random(NUM_PLAYS) ** 1.5).astype(np.int64)


@pytest.fixture
def is_sent_by_script() -> np.ndarray:
    return (np.arange(NUM_PLAYS) >= FIRST_NEW) & (np.random.default_rng(3).random(NUM_PLAYS) < 0.5)


def test_listeners_are_not_suspicious(listeners: np.ndarray, tracks: np.ndarray) -> None:
    traffic = find_bots(listeners, tracks, FIRST_NEW)

    assert traffic.is_trusted.all()
    assert (traffic.suspicious_share, traffic.suspicions()) == (0, "")


def test_few_scripts_with_much_traffic_are_suspicious(
    listeners: np.ndarray, tracks: np.ndarray, is_sent_by_script: np.ndarray
) -> None:
    listeners[is_sent_by_script] = 5

    traffic = find_bots(listeners, tracks, FIRST_NEW)

    assert traffic.suspicious_share == 1
    assert "from the busiest hundredth of the listeners (usual: 2%)" in traffic.suspicions()
    assert traffic.is_trusted[: traffic.bounds[traffic.bounds < FIRST_NEW][-1]].all()


def test_many_new_scripts_with_few_tracks_are_suspicious(
    listeners: np.ndarray, tracks: np.ndarray, is_sent_by_script: np.ndarray
) -> None:
    num = is_sent_by_script.sum()
    listeners[is_sent_by_script] = NUM_LISTENERS + np.arange(num) // 3
    tracks[is_sent_by_script] = NUM_TRACKS + np.arange(num) % 10

    traffic = find_bots(listeners, tracks, FIRST_NEW)

    assert traffic.suspicious_share == 1
    assert "one of the same ten tracks" in traffic.suspicions()


def test_many_scripts_that_play_a_few_lists_are_suspicious(
    listeners: np.ndarray, tracks: np.ndarray, is_sent_by_script: np.ndarray
) -> None:
    num = is_sent_by_script.sum()
    listeners[is_sent_by_script] = NUM_LISTENERS + np.arange(num) % 60
    list_of, place = np.arange(num) % 60 % 6, np.arange(num) // 60 % 15
    tracks[is_sent_by_script] = NUM_TRACKS + 15 * list_of + place

    traffic = find_bots(listeners, tracks, FIRST_NEW)

    assert traffic.suspicious_share == 1
    assert traffic.suspicions().count("usual") == 1
    assert "were made by several listeners (usual: 0%)" in traffic.suspicions()


def test_a_loop_is_suspicious_even_if_many_listeners_play_it(
    listeners: np.ndarray, tracks: np.ndarray, is_sent_by_script: np.ndarray
) -> None:
    listeners[is_sent_by_script] %= 150  # many listeners, none of them busy, each with one track
    tracks[is_sent_by_script] = NUM_TRACKS + listeners[is_sent_by_script]

    traffic = find_bots(listeners, tracks, FIRST_NEW)

    assert traffic.suspicious_share == 1
    assert "the track the same listener had played just before" in traffic.suspicions()


def test_one_listener_who_loves_ten_tracks_is_not_ten_scripts(listeners: np.ndarray, tracks: np.ndarray) -> None:
    is_favourite = (np.arange(NUM_PLAYS) >= FIRST_NEW) & (np.arange(NUM_PLAYS) % 10 == 0)
    listeners[is_favourite] = 5
    tracks[is_favourite] = NUM_TRACKS + np.arange(is_favourite.sum()) % 10

    assert find_bots(listeners, tracks, FIRST_NEW).suspicious_share == 0


def test_past_scripts_are_left_out_without_suspicion_of_the_new_plays(
    listeners: np.ndarray, tracks: np.ndarray
) -> None:
    listeners[8_000:12_000] = 5

    traffic = find_bots(listeners, tracks, 12_000)

    assert traffic.suspicious_share == 0
    assert traffic.suspicions() == ""
    assert np.flatnonzero(~traffic.is_trusted).tolist() == list(range(6_000, 14_000))


def test_the_few_plays_where_scripts_start_and_stop_are_left_out_too(listeners: np.ndarray, tracks: np.ndarray) -> None:
    listeners[7_800:12_200] = 5

    traffic = find_bots(listeners, tracks, 10_000)

    assert not traffic.is_trusted[7_800:12_200].any()
    (first,) = np.flatnonzero(traffic.bounds[:-1] == 6_000)
    assert not traffic.suspicious[first].any()


@pytest.mark.parametrize("num_new", [1, 20, 200])
def test_a_few_new_plays_are_too_few_to_be_suspicious(listeners: np.ndarray, tracks: np.ndarray, num_new: int) -> None:
    assert find_bots(listeners, tracks, NUM_PLAYS - num_new).is_trusted.all()
    assert find_bots(listeners, tracks, num_new).is_trusted.all()


def test_scripts_are_suspicious_among_few_new_plays(listeners: np.ndarray, tracks: np.ndarray) -> None:
    listeners[-700:] = 5

    assert find_bots(listeners, tracks, NUM_PLAYS - 700).suspicious_share == 1


def test_one_of_few_listeners_is_not_suspicious_for_listening_long(tracks: np.ndarray) -> None:
    listeners = np.arange(NUM_PLAYS) % 50
    listeners[FIRST_NEW:][np.arange(NUM_PLAYS - FIRST_NEW) % 2 == 0] = 5

    assert find_bots(listeners, tracks, FIRST_NEW).is_trusted.all()


def test_what_holds_for_most_of_a_window_is_usual(listeners: np.ndarray, tracks: np.ndarray) -> None:
    listeners[2_000:][np.arange(NUM_PLAYS - 2_000) % 2 == 0] = 5

    assert find_bots(listeners, tracks, FIRST_NEW).is_trusted.all()


@pytest.mark.parametrize("num_plays", [0, 1, 2 * MIN_STRETCH_PLAYS])
def test_nothing_is_usual_or_suspicious_in_a_short_window(num_plays: int) -> None:
    traffic = find_bots(np.zeros(num_plays, np.int64), np.zeros(num_plays, np.int64), num_plays // 2)

    assert (len(traffic.is_trusted), bool(traffic.is_trusted.all())) == (num_plays, True)


@pytest.mark.parametrize("first_new", [0, 1, MIN_STRETCH_PLAYS, FIRST_NEW, NUM_PLAYS - 1, NUM_PLAYS])
def test_stretches_cover_the_window_and_enough_new_plays_start_their_own(
    listeners: np.ndarray, tracks: np.ndarray, first_new: int
) -> None:
    bounds = find_bots(listeners, tracks, first_new).bounds

    assert (bounds[0], bounds[-1]) == (0, NUM_PLAYS)
    assert (first_new in bounds) == (first_new not in {1, NUM_PLAYS - 1})
    assert np.diff(bounds).min() >= MIN_STRETCH_PLAYS
    assert np.diff(bounds).max() < 2 * MAX_STRETCH_PLAYS
