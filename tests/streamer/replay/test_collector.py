"""What the collector records of answers and dead letters, as workers write them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from aiokafka import ConsumerRecord

from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue
from models.plays.split import split_plays
from models.plays.track_ids import TrackIds
from streamer.recordings.plays import RecordedPlays
from streamer.replay.collector import Collector
from streamer.replay.recording import Recording
from streamer.wire.blobs import Blobs
from streamer.wire.letters import DeadLetterHeaders, dead_letter
from streamer.wire.messages import Cause
from streamer.wire.recommendations import Lineage, ListEncoder
from tests.builders import NOON_MS

SCORED = np.array([3, 5, 5, 11])
LISTED = ("a", "b", "c")  # a release may know tracks that the recording's catalogue does not


@pytest.fixture
def recording(draw_listening: Callable[..., RecordedPlays]) -> Recording:
    listening = draw_listening()
    return Recording.of(listening, split_plays(listening.plays), 2)


@pytest.fixture
def collector(recording: Recording) -> Collector:
    return Collector(recording, SCORED, Catalogue(["b", "a"]), (2, 3))


def answer(recording: Recording, place: int, rows: Sequence[int], at_ms: int = NOON_MS) -> ConsumerRecord[bytes, bytes]:
    """The answer to the play at a place, which is in its partition at the offset the recording gives."""
    partition = int(recording.partitions[place])
    in_partition = recording.by_partition[recording.bounds[partition] : recording.bounds[partition + 1]]
    lineage = Lineage(
        Blobs.of([b"u"]), np.array([1]), np.array([partition]), np.array([in_partition.tolist().index(place)]),
        np.array([NOON_MS]), "r1", NOON_MS,
    )  # fmt: skip
    scores, encoder = np.ones((1, len(rows)), np.float32), ListEncoder(TrackIds.of(LISTED))
    lists = encoder.encode("short-term", np.array([rows]), scores, lineage)
    value = lists.joined[: lists.bounds[1]].tobytes()
    return ConsumerRecord("t", partition, 0, at_ms, 0, b"u", value, None, 1, len(value), headers=())


def test_the_lists_of_scored_plays_are_kept_as_rows_of_the_catalogue(
    recording: Recording, collector: Collector
) -> None:
    a, b, c = range(FIRST_TRACK, FIRST_TRACK + 3)

    collector.take_answers(0, [answer(recording, 5, [a, c]), answer(recording, 4, [a, b])])
    collector.take_answers(1, [answer(recording, 11, [b]), answer(recording, 3, [c, b, a])])

    short_term, long_term = collector.lists_at(SCORED)
    assert short_term.tolist() == [[PAD, PAD], [FIRST_TRACK + 1, UNKNOWN], [FIRST_TRACK + 1, UNKNOWN], [PAD, PAD]]
    assert long_term[0].tolist() == [UNKNOWN, FIRST_TRACK, FIRST_TRACK + 1]
    assert long_term[3].tolist() == [FIRST_TRACK, PAD, PAD]


def test_a_play_is_settled_once_both_horizons_answered_it(recording: Recording, collector: Collector) -> None:
    collector.take_answers(0, [answer(recording, 4, [2]), answer(recording, 7, [2])])
    assert collector.num_settled == 0

    collector.take_answers(1, [answer(recording, 7, [2])])
    assert collector.num_settled == 1


def test_answers_to_one_play_are_counted(recording: Recording, collector: Collector) -> None:
    collector.take_answers(0, [answer(recording, 4, [2]), answer(recording, 4, [2])])
    collector.take_answers(0, [answer(recording, 4, [2])])

    assert collector.num_answers[:, 4].tolist() == [3, 0]
    assert collector.num_answers.sum() == 3


def test_a_play_is_answered_when_its_later_horizon_is(recording: Recording, collector: Collector) -> None:
    collector.take_answers(1, [answer(recording, 4, [2], at_ms=NOON_MS + 30)])
    collector.take_answers(0, [answer(recording, 4, [2], at_ms=NOON_MS + 20)])

    assert collector.answered_at_ms[4] == NOON_MS + 30


def test_a_rejected_play_is_settled(recording: Recording, collector: Collector) -> None:
    headers = DeadLetterHeaders(Cause.NOT_JSON, "it is not", "plays", 1, 2, "1.0")
    letter = dead_letter(b"u", b"{", headers)

    collector.take_dead_letters([ConsumerRecord("d", 1, 0, 0, 0, b"u", b"{", None, 1, 1, headers=letter.headers)])

    assert np.flatnonzero(collector.is_dead).tolist() == [recording.by_partition[recording.bounds[1] + 2]]
    assert collector.num_settled == 1
