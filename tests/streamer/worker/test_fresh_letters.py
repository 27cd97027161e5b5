from collections.abc import Sequence

from aiokafka import ConsumerRecord

from streamer.kafka.transaction import Writes
from streamer.queries.new_letters import NAMED_S
from streamer.wire.letters import RecordId
from streamer.wire.views_workers import MOST_NAMED
from streamer.worker.fresh_letters import FreshLetters
from streamer.worker.intake import Intake, take_in
from streamer.worker.outputs import write
from tests.builders import record, tombstone
from tests.offline import TOPICS, Worker


def rejected(*records: ConsumerRecord[bytes, bytes]) -> tuple[list[Intake], list[Writes]]:
    """The intake of a partition, and what is written of it."""
    worker = Worker()
    intakes: Sequence[Intake] = [take_in(0, records, None)]
    return list(intakes), list(write(intakes, worker.answer(intakes), TOPICS))


def test_a_letter_is_where_it_was_written_whatever_is_written_between() -> None:
    fresh = FreshLetters(TOPICS, clock=lambda: 5.0)
    intakes, writes = rejected(record(1, b"u", b"{"), tombstone(2, "u"), record(3, b"u", b"no play"))

    fresh.note(intakes, writes, [{TOPICS.dead_letters: 103}])

    first, last = fresh.named()
    assert (first.place, last.place) == (RecordId(0, 100), RecordId(0, 102))
    assert (first.key, first.value, last.value, last.at_ms) == (b"u", b"{", b"no play", 5000)
    assert [each.headers.source_offset for each in (first, last)] == [1, 3]


def test_the_newest_letters_are_named_for_some_seconds() -> None:
    now_s = 5.0
    fresh = FreshLetters(TOPICS, clock=lambda: now_s)

    fresh.note(*rejected(*(record(offset, b"u", b"{") for offset in range(200))), [{TOPICS.dead_letters: 1200}])
    now_s += NAMED_S
    fresh.note(*rejected(record(200, b"u", b"{")), [{TOPICS.dead_letters: 1202}])

    named = fresh.named()
    assert [each.headers.source_offset for each in named] == list(range(201 - MOST_NAMED, 201))
    assert [each.place.offset for each in named] == [*range(1201 - MOST_NAMED, 1200), 1201]
    now_s += 0.1
    assert [each.place.offset for each in fresh.named()] == [1201]
    now_s += NAMED_S
    assert fresh.named() == []
