"""A recording is sent in time order, and every play will be found at the offset it gets."""

from collections.abc import Callable

import numpy as np
import pytest

from models.plays.split import Split, split_plays
from streamer.recordings.plays import RecordedPlays
from streamer.replay.recording import Recording
from streamer.wire.plays import decode

NUM_PARTITIONS = 4
NOW_MS = 1_500_000_000_000


@pytest.fixture
def listening(draw_listening: Callable[..., RecordedPlays]) -> RecordedPlays:
    return draw_listening()


@pytest.fixture
def split(listening: RecordedPlays) -> Split:
    return split_plays(listening.plays)


@pytest.fixture
def recording(listening: RecordedPlays, split: Split) -> Recording:
    return Recording.of(listening, split, NUM_PARTITIONS)


def test_plays_are_sent_in_time_order(recording: Recording) -> None:
    assert (np.diff(recording.played_at_ms[recording.order]) >= 0).all()
    assert sorted(recording.order.tolist()) == list(range(len(recording)))


def test_plays_of_one_listener_keep_their_order_in_one_partition(recording: Recording) -> None:
    for listener in range(len(recording.users)):
        sent = recording.order[recording.listeners[recording.order] == listener]

        assert (np.diff(sent) == 1).all()
        assert len(set(recording.partitions[sent].tolist())) == 1


def test_the_play_at_an_offset_is_the_one_sent_there(recording: Recording) -> None:
    ends = [0] * NUM_PARTITIONS

    for begin in range(0, len(recording), 7):
        sent = recording.split_by_partition(recording.order[begin : begin + 7])
        for partition, places in sent.items():
            offsets = np.arange(len(places)) + ends[partition]
            found = recording.places(np.full(len(places), partition), offsets)
            ends[partition] += len(places)

            assert found.tolist() == places.tolist()

    assert sum(ends) == len(recording)


def test_messages_say_who_played_what_and_when(listening: RecordedPlays, split: Split, recording: Recording) -> None:
    places = recording.order[:50]

    keys, values = zip(*recording.encode(places), strict=True)
    decoded = decode(keys, values, [NOW_MS] * len(keys), [0] * len(keys))

    rows = split.order[places]
    plays = listening.plays
    assert decoded.rejects == []
    assert decoded.plays.users == [listening.user_ids[user].encode() for user in plays.listeners[rows]]
    assert decoded.plays.track_ids == [plays.track_ids[track] for track in plays.tracks[rows]]
    assert decoded.plays.played_at_ms.tolist() == plays.played_at_ms[rows].tolist()
    assert decoded.plays.track_keys.tolist() == split.served.track_keys[places].tolist()


def test_listeners_without_remaining_plays_have_no_number(draw_listening: Callable[..., RecordedPlays]) -> None:
    few = draw_listening(600).earliest(10)

    recording = Recording.of(few, split_plays(few.plays), NUM_PARTITIONS)

    users = np.unique(few.plays.listeners)
    assert recording.users == [few.user_ids[user].encode() for user in users]
    assert len(users) < len(few.user_ids)
