from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from aiokafka import ConsumerRecord
from aiokafka.record.memory_records import MemoryRecords

from models.plays.track_ids import TrackIds
from models.serving.step import Ranked
from streamer.kafka.record_batch import record_batches
from streamer.kafka.transaction import Writes
from streamer.wire.changelog import Mark, listener_key
from streamer.wire.letters import DeadLetterHeaders, ResentHeaders, as_headers, read_headers
from streamer.wire.messages import Recommendation
from streamer.wire.recommendations import ListEncoder
from streamer.wire.state import decode
from streamer.worker.batch import merge, plan
from streamer.worker.events import join
from streamer.worker.intake import take_in
from streamer.worker.outputs import NO_HEADERS, AnswerHeaders, Answers, Outcome, Topics, write
from streamer.worker.saying import Said
from tests.builders import NOON_MS, TRACK_IDS, play, record, tombstone
from tests.cases.observations import Observe

TOPICS = Topics("plays", ("short", "long"), "dead")


def written(
    *records: ConsumerRecord[bytes, bytes],
    answers_each: bool = True,
    has_release: bool = True,
    known: str = "",
    headers: AnswerHeaders = NO_HEADERS,
) -> dict[int, Writes]:
    """What a batch writes, by partition; the n-th new play is answered with the n-th track.

    Args:
        records: of the batch.
        answers_each: not only the latest play of each listener.
        has_release: otherwise there are no answers.
        known: who has a state already, one letter each; all others are new.
        headers: of the answers.
    """
    partitions = sorted({each.partition for each in records})
    intakes = [take_in(number, [each for each in records if each.partition == number], None) for number in partitions]
    events, listeners = join([each.plays for each in intakes], [each.offsets for each in intakes])
    batch = plan(events, decode([None] * (len(listeners.users) + 1), 6), 9)
    answered = np.arange(len(batch.new)) if answers_each else batch.last_plays
    ranked = tuple(
        Ranked(2 + answered[:, None] + horizon, np.full((len(answered), 1), 0.5, np.float32)) for horizon in (0, 1)
    )
    said = Said(np.ones((2, len(answered)), np.bool_), batch.base.said)
    answers = Answers(answered, ranked, said, ListEncoder(TrackIds.of(TRACK_IDS)), "r1", 77) if has_release else None
    states = merge(batch, batch.hidden, batch.count_plays(), release_key=9, promoted_at_ms=1)
    is_known = np.array([user.decode() in known for user in listeners.users], np.bool_)
    outcome = Outcome(events, listeners, is_known, batch, states, answers)
    return {part.partition: part for part in write(intakes, outcome, TOPICS, headers)}


def keys_and_offsets(part: Writes, topic: str) -> list[tuple[bytes | None, int | None]]:
    """Return key and source offset of each record; no offset for a tombstone."""
    return [
        (each.key, None if each.value is None else msgspec.json.decode(each.value)["source_offset"])
        for each in part.outputs[topic].to_list()
    ]


def headers_of(part: Writes, topic: str = TOPICS.dead_letters) -> list[list[tuple[str, bytes]]]:
    """Return the headers of each record, by default of each dead letter."""
    letters = part.outputs[topic]
    (batch,) = record_batches(letters.keys, letters.values, letters.headers, timestamp_ms=1, max_bytes=1_000_000)
    return [list(each.headers) for each in MemoryRecords(bytes(batch.encode(-1, -1, 0))).next_batch() or ()]


def changed(part: Writes) -> Sequence[tuple[bytes, bool]]:
    return [(key, value is not None) for key, value in zip(part.state_keys, part.states.to_list(), strict=True)]


def test_an_answer_carries_its_lineage() -> None:
    records = [
        play(4, "u", "t1", partition=3),
        play(5, "v", "t2", NOON_MS - 9, partition=3),
        play(7, "v", "t3", partition=3),
    ]

    part = written(*records)[3]

    values = [
        msgspec.json.decode(each.value, type=Recommendation) for each in part.outputs["long"].to_list() if each.value
    ]
    assert [(each.user_id, each.source_offset, each.plays_seen) for each in values] == [
        ("u", 4, 1),
        ("v", 5, 1),
        ("v", 7, 2),
    ]
    assert (values[1].played_at, values[1].source_partition, values[1].horizon) == (NOON_MS - 9, 3, "long-term")
    assert (values[0].release, values[0].emitted_at) == ("r1", 77)
    assert [each.tracks[0].track_id for each in values] == ["t1", "t2", "t3"]


def test_each_horizon_has_its_own_lists() -> None:
    part = written(play(4, "u", "t1"))[0]

    short, long = (msgspec.json.decode(part.outputs[topic].to_list()[0].value or b"") for topic in ("short", "long"))
    assert (short["horizon"], short["tracks"][0]["track_id"]) == ("short-term", "t0")
    assert (long["horizon"], long["tracks"][0]["track_id"]) == ("long-term", "t1")


def test_answers_and_tombstones_are_in_the_order_of_their_plays() -> None:
    part = written(
        play(4, "u", "t1"), play(5, "v", "t1"), tombstone(6, "u"),
        play(8, "v", "t1"), play(9, "u", "t2"), tombstone(11, "v"),
    )[0]  # fmt: skip

    for topic in ("short", "long"):
        assert keys_and_offsets(part, topic) == [(b"u", 4), (b"v", 5), (b"u", None), (b"v", 8), (b"u", 9), (b"v", None)]


def test_a_worker_that_answers_the_latest_does_not_answer_lives_that_ended() -> None:
    part = written(
        play(4, "u", "t1"), tombstone(6, "u"), play(8, "v", "t1"), play(9, "v", "t2"), play(10, "u", "t1"),
        answers_each=False,
    )[0]  # fmt: skip

    assert keys_and_offsets(part, "short") == [(b"u", None), (b"v", 9), (b"u", 10)]


def test_a_listener_whose_last_event_is_a_tombstone_gets_one_in_the_changelog() -> None:
    part = written(play(4, "u", "t1"), tombstone(5, "u"), tombstone(6, "w"), play(7, "w", "t1"), tombstone(8, "x"))[0]

    assert changed(part) == [(listener_key(b"u"), False), (listener_key(b"w"), True), (listener_key(b"x"), False)]


def test_new_and_forgotten_listeners_are_counted_in_their_partition() -> None:
    parts = written(
        play(1, "u", "t1"), play(2, "v", "t1"), play(3, "v", "t2"), play(4, "w", "t1"), tombstone(5, "w"),
        play(1, "x", "t1", partition=1), tombstone(2, "y", partition=1), tombstone(3, "z", partition=1),
        play(1, "a", "t1", partition=2), tombstone(2, "a", partition=2), play(3, "a", "t1", partition=2),
        known="uwxza",
    )  # fmt: skip

    assert [parts[number].num_added for number in range(3)] == [1 - 1, -1, 0]


def test_a_state_is_written_under_its_own_listener() -> None:
    parts = written(play(4, "u", "t1"), play(5, "v", "t2"), play(6, "v", "t3"), play(1, "u", "t4", partition=1))

    seen = {
        (number, key): decode([value], 6).plays_seen[0]
        for number, part in parts.items()
        for key, value in zip(part.state_keys, part.states.to_list(), strict=True)
    }
    assert seen == {(0, b"\x01u"): 1, (0, b"\x01v"): 2, (1, b"\x01u"): 1}


def test_partitions_are_kept_apart() -> None:
    parts = written(play(4, "u", "t1"), play(5, "u", "t1", partition=2), record(6, b"u", b"{", partition=2))

    assert keys_and_offsets(parts[0], "short") == [(b"u", 4)]
    assert keys_and_offsets(parts[2], "short") == [(b"u", 5)]
    assert [len(part.outputs["dead"]) == 0 for part in parts.values()] == [True, False]
    assert (parts[0].mark, parts[2].mark) == (Mark(4, NOON_MS), Mark(6, NOON_MS))


def test_before_the_first_release_states_are_written_and_no_answers() -> None:
    part = written(play(4, "u", "t1"), play(5, "v", "t1"), tombstone(6, "u"), has_release=False)[0]

    assert keys_and_offsets(part, "short") == [(b"u", None)]
    assert changed(part) == [(listener_key(b"u"), False), (listener_key(b"v"), True)]


def test_a_batch_of_nothing_but_bad_plays_writes_dead_letters_and_a_mark() -> None:
    part = written(record(4, b"u", b"{"), record(9, None, b"{}"))[0]

    assert (len(part.state_keys), len(part.states)) == (0, 0)
    assert (len(part.outputs["short"]), len(part.outputs["long"])) == (0, 0)
    assert part.mark == Mark(9, NOON_MS)
    assert [(each.key, each.value) for each in part.outputs["dead"].to_list()] == [
        (b"plays:0:4", b"{"),
        (b"plays:0:9", b"{}"),
    ]


def test_a_dead_letter_says_where_it_came_from_and_why() -> None:
    part = written(play(3, "u", "t1", partition=5), record(4, b"u", b"{", partition=5))[5]

    (letter,) = headers_of(part)
    headers = dict(letter)
    assert headers["error"] == b"not-json"
    assert (headers["source-topic"], headers["source-partition"], headers["source-offset"]) == (b"plays", b"5", b"4")
    assert headers["reason"]
    assert headers["worker-version"]


def test_a_letter_of_a_play_that_was_sent_again_names_the_one_before() -> None:
    sent_again = replace(record(4, b"u", b"{"), headers=as_headers(ResentHeaders("0:17", 2)))

    (letter,) = headers_of(written(sent_again)[0])

    headers = read_headers(letter, DeadLetterHeaders)
    assert headers is not None
    assert (headers.letter, headers.times_sent) == ("0:17", 2)


@pytest.mark.kind(22)
def test_a_tombstone_asks_for_the_letters_before_it_to_be_removed(observe: Observe) -> None:
    part = written(record(4, b"u", b"{"), tombstone(5, "u"), record(6, b"u", b"{"), play(7, "v", "t1"))[0]

    keys_and_values = [(each.key, each.value) for each in part.outputs["dead"].to_list()]
    assert keys_and_values == [(b"plays:0:4", b"{"), (b"forget:0:5", b"u"), (b"plays:0:6", b"{")]
    observe("a tombstone puts a request behind the letters of the plays before it, in the same transaction")


@pytest.mark.parametrize(
    "last", [play(9, "w", "t3", partition=3), tombstone(9, "w", partition=3)], ids=["", "tombstone"]
)
def test_an_answer_has_the_headers_that_are_meant_for_its_play(last: ConsumerRecord[bytes, bytes]) -> None:
    records = [play(4, "u", "t1", partition=2), play(4, "u", "t1", partition=3), play(7, "v", "t2", partition=3), last]
    trace = [("traceparent", b"00-1-2-01"), ("tracestate", b"a=b")]

    parts = written(*records, headers={3: {7: trace}, 5: {4: trace}})

    assert headers_of(parts[2], "short") == [[]]
    for topic in TOPICS.answers:
        assert headers_of(parts[3], topic) == [[], trace, []]
