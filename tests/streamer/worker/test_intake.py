from dataclasses import replace

import pytest

from streamer.wire.changelog import NO_MARK, UNKNOWN_MS, Mark
from streamer.wire.messages import Cause
from streamer.worker.intake import fresh_records, take_in
from tests.builders import NOON_MS, play, record, tombstone


@pytest.mark.parametrize(
    ("mark", "fresh"),
    [(NO_MARK, [4, 5, 9]), (Mark(3, 0), [4, 5, 9]), (Mark(4, 0), [5, 9]), (Mark(7, 0), [9]), (Mark(9, 0), [])],
)
def test_records_at_or_below_the_mark_are_dropped(mark: Mark, fresh: list[int]) -> None:
    fetched = [play(4, "u", "t1"), play(5, "u", "t2"), play(9, "u", "t3")]

    assert [each.offset for each in fresh_records(fetched, mark)] == fresh


def test_a_chunk_fetched_twice_counts_once() -> None:
    first = [play(4, "u", "t1"), play(5, "u", "t2")]
    second = [*first, play(6, "u", "t3")]

    fresh = fresh_records([*first, *second], Mark(3, 0))

    assert [each.offset for each in fresh] == [4, 5, 6]


def test_good_plays_and_rejects_keep_their_places() -> None:
    records = [
        play(4, "u", "t1"),
        record(6, b"u", b"{"),
        tombstone(7, "u"),
        record(9, None, b"{}"),
        play(12, "v", "t2"),
    ]

    intake = take_in(3, records, None)

    assert intake.partition == 3
    assert intake.offsets.tolist() == [4, 7, 12]
    assert intake.plays.users == [b"u", b"u", b"v"]
    assert intake.plays.forgets.tolist() == [False, True, False]
    assert [(reject.index, reject.cause) for reject in intake.rejects] == [(1, Cause.NOT_JSON), (3, Cause.NULL_KEY)]


def test_the_mark_also_covers_a_bad_play_at_the_end() -> None:
    records = [play(4, "u", "t1"), record(6, b"u", b"{", timestamp_ms=NOON_MS + 7)]

    assert take_in(0, records, None).mark == Mark(6, NOON_MS + 7)


@pytest.mark.parametrize("timestamp_ms", [-1, None])
def test_the_mark_of_a_record_without_a_timestamp_has_none_to_compare(timestamp_ms: int | None) -> None:
    last = replace(play(6, "u", "t1"), timestamp=timestamp_ms)  # None: from before Kafka 0.10

    assert take_in(0, [last], None).mark == Mark(6, UNKNOWN_MS)


def test_strays_are_rejected_beside_the_good_plays() -> None:
    records = [
        play(4, "home", "t1"),
        play(5, "stray", "t2"),
        tombstone(6, "stray"),
        play(7, "home", "t3", context="radio"),
    ]

    intake = take_in(0, records, lambda key: key == b"home")

    assert intake.offsets.tolist() == [4, 7]
    assert intake.plays.users == [b"home", b"home"]
    assert intake.plays.track_ids == ["t1", "t3"]
    assert intake.plays.contexts.tolist() == [0, 6]
    assert [(reject.index, reject.cause) for reject in intake.rejects] == [
        (1, Cause.STRAY_PARTITION),
        (2, Cause.STRAY_PARTITION),
    ]
    assert "REFRAIN_PARTITIONER" in intake.rejects[0].reason


def test_rejects_come_in_order_whatever_their_cause() -> None:
    records = [play(4, "stray", "t1"), record(5, b"u", b"{"), play(6, "stray", "t2")]

    assert [reject.index for reject in take_in(0, records, lambda _: False).rejects] == [0, 1, 2]


def test_a_partition_of_nothing_but_strays_and_junk_has_no_plays() -> None:
    intake = take_in(0, [play(4, "stray", "t1"), record(5, b"u", b"")], lambda _: False)

    assert len(intake.plays) == len(intake.offsets) == 0
    assert {reject.cause for reject in intake.rejects} == {Cause.STRAY_PARTITION, Cause.NOT_JSON}


def test_a_part_of_an_intake_equals_the_intake_of_its_records_alone() -> None:
    records = [play(4, "u", "t1"), record(6, b"u", b"{"), tombstone(7, "u"), play(9, "v", "t2"), record(12, b"u", b"")]
    intake = take_in(3, records, None)

    for begin in range(5):
        for end in range(begin + 1, 6):
            part, alone = intake.part(begin, end), take_in(3, records[begin:end], None)
            assert (part.partition, part.records, part.mark) == (3, records[begin:end], alone.mark)
            assert part.offsets.tolist() == alone.offsets.tolist()
            assert part.plays.index.tolist() == alone.plays.index.tolist()
            assert (part.plays.users, part.plays.track_ids) == (alone.plays.users, alone.plays.track_ids)
            assert part.rejects == alone.rejects


def test_a_rejected_intake_has_no_plays_left_and_a_reject_for_each_in_order() -> None:
    intake = take_in(0, [play(4, "u", "t1"), record(6, b"u", b"{"), play(7, "v", "t2")], None)

    rejected = intake.rejected(Cause.UNCOMPUTABLE, "why")

    assert len(rejected.plays) == len(rejected.offsets) == 0
    assert [(reject.index, reject.cause) for reject in rejected.rejects] == [
        (0, Cause.UNCOMPUTABLE),
        (1, Cause.NOT_JSON),
        (2, Cause.UNCOMPUTABLE),
    ]
    assert rejected.mark == intake.mark
