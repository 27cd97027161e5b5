"""Law 1, without Kafka: one play moves one state once."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.config import HORIZONS
from streamer.wire.changelog import Mark
from tests.agreement import (
    assert_same_answers,
    assert_states_are_the_oracles,
    heard,
)
from tests.builders import (
    NOON_MS,
)
from tests.laws.cases import cuts, law
from tests.listening import PARTITIONS, Fetched, listening
from tests.offline import Worker


@law
@given(records=listening(), cuts=cuts, rewinds=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 120)), max_size=5))
def test_plays_delivered_again_change_nothing(
    records: Fetched, cuts: Sequence[tuple[int, int]], rewinds: Sequence[tuple[int, int]]
) -> None:
    uninterrupted = Worker().serve_all(records, cuts)

    worker = Worker()
    for partition in PARTITIONS:
        done = 0
        for num_again, num_new in [*rewinds, (0, len(records[partition]))]:
            worker.serve({partition: records[partition][max(0, done - num_again) : done + num_new]})
            done += num_new

    assert_same_answers(worker, uninterrupted)
    assert_states_are_the_oracles(worker, heard(records))
    for partition in PARTITIONS:
        assert worker.mark(partition) == uninterrupted.mark(partition)


@law
@given(records=listening(), overlap=st.integers(1, 80))
def test_chunks_that_overlap_within_a_batch_count_once(records: Fetched, overlap: int) -> None:
    worker = Worker()

    twice = {number: [*got, *got[-overlap:], *got[-overlap:]] for number, got in records.items()}
    worker.serve(twice)

    assert_states_are_the_oracles(worker, heard(records))
    assert_same_answers(worker, Worker().serve_all(records))


@law
@given(records=listening(), cuts=cuts)
def test_each_play_is_answered_once_in_offset_order(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    worker = Worker().serve_all(records, cuts)

    plays = [(number, each.offset) for number in PARTITIONS for each in records[number] if each.value is not None]
    for horizon in range(len(HORIZONS)):
        answers = worker.answers(horizon)
        assert [(each.source_partition, each.source_offset) for each in answers] == plays
        assert {each.horizon for each in answers} <= {HORIZONS[horizon]}


@law
@given(records=listening(), cuts=cuts)
def test_answering_the_latest_answers_the_last_play_of_every_remembered_listener(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker(answers_each=False).serve_all(records, cuts)

    last = {who: life.plays[-1].offset for who, life in heard(records).lives.items()}
    for horizon in range(len(HORIZONS)):
        answers = worker.answers(horizon)
        by_listener = {(each.source_partition, each.user_id): each.source_offset for each in answers}
        assert {who: by_listener[who] for who in last} == last
        for number in PARTITIONS:
            offsets = [each.source_offset for each in answers if each.source_partition == number]
            assert all(one < other for one, other in pairwise(offsets))


@law
@given(records=listening(), cuts=cuts)
def test_the_mark_holds_the_last_records_offset_and_time(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    worker = Worker().serve_all(records, cuts)

    for number in PARTITIONS:
        assert worker.mark(number) == (Mark(records[number][-1].offset, NOON_MS) if records[number] else Mark(-1, -1))


@law
@given(records=listening(), cuts=cuts, answers_each=st.booleans())
def test_a_forgotten_listener_has_no_answer_left(
    records: Fetched, cuts: Sequence[tuple[int, int]], *, answers_each: bool
) -> None:
    worker = Worker(answers_each=answers_each).serve_all(records, cuts)

    remembered = heard(records).lives
    for number, got in records.items():
        for horizon_topic in ("short", "long"):
            compacted = dict(worker.outputs.get((horizon_topic, number), []))
            for key in {each.key for each in got}:
                assert (compacted[key] is not None) == ((number, key.decode()) in remembered)
