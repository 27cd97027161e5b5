"""What is not said is what a reader can do without: an oracle that compares sets of track ids, in plain Python."""

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import HORIZONS
from streamer.wire.messages import Recommendation
from streamer.worker.saying import Saying
from tests.builders import play, tombstone
from tests.laws.cases import cuts, law
from tests.listening import PARTITIONS, Fetched, listening
from tests.offline import SIZES, TOPICS, Worker

Written = tuple[bytes | None, bytes | None]


def written(worker: Worker, horizon: int, partition: int) -> list[Written]:
    return worker.outputs.get((TOPICS.answers[horizon], partition), [])


def worth_saying(lists: Sequence[Written], overlap: float) -> Iterator[Written]:
    """Yield the tombstones, and the lists that differ enough from the last one yielded to their listener."""
    last: dict[bytes | None, set[str]] = {}
    for user, value in lists:
        if value is None:
            last.pop(user, None)
            yield user, value
            continue
        tracks = {track.track_id for track in msgspec.json.decode(value, type=Recommendation).tracks}
        if len(tracks & last.get(user, set())) < overlap * len(tracks):
            last[user] = tracks
            yield user, value


@law
@given(records=listening(), cuts=cuts, overlap=st.sampled_from([0.2, 0.6, 0.8, 1.0]))
def test_a_list_is_left_out_if_it_repeats_enough_of_the_last_one_published(
    records: Fetched, cuts: Sequence[tuple[int, int]], overlap: float
) -> None:
    everything = Worker().serve_all(records, cuts)

    worker = Worker(saying=Saying(overlap, SIZES)).serve_all(records, cuts)

    for horizon in range(len(HORIZONS)):
        for partition in PARTITIONS:
            expected = list(worth_saying(written(everything, horizon, partition), overlap))
            assert written(worker, horizon, partition) == expected


@pytest.mark.parametrize("cut", [(), ((1, 0),), ((1, 0), (2, 0))])
def test_a_listener_who_was_forgotten_hears_the_same_list_again(cut: Sequence[tuple[int, int]]) -> None:
    records = {0: [play(1, "u", "t1"), tombstone(2, "u"), play(3, "u", "t1"), play(4, "u", "t1")], 1: []}

    worker = Worker(saying=Saying(0.2, SIZES)).serve_all(records, cut)

    for horizon in range(len(HORIZONS)):
        assert [value is not None for _, value in written(worker, horizon, 0)] == [True, False, True]


def test_what_was_said_survives_a_change_of_release() -> None:
    worker = Worker(saying=Saying(0.2, SIZES)).serve_all({0: [play(1, "u", "t1")], 1: []})
    before = worker.states()[0, "u"].said.tolist()
    assert before != [[0] * sum(SIZES)]

    worker.release = None
    worker.serve({0: [play(2, "u", "t2")]})

    assert worker.states()[0, "u"].said.tolist() == before
