"""The five laws, as far as they can be told without Kafka; the integration and fault tests tell the rest."""

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.config import CONTEXTS, HORIZONS, NUM_COUNTED, RING_SIZE
from models.plays.catalogue import track_key
from models.plays.histories import Histories, gather_histories
from models.release import Release
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from streamer.wire.changelog import Mark
from streamer.wire.plays import decode as decode_plays
from tests.agreement import (
    SCORE_TOLERANCE,
    TOLERANCE,
    assert_list_is_the_oracles,
    assert_same_answers,
    assert_state_is_the_oracles,
    assert_states_are_the_oracles,
    heard,
)
from tests.builders import (
    NOON_MS,
    TINY_CONFIGS,
    TRACK_IDS,
    network_of,
    play,
    play_value,
    record,
    release_of,
    state_fields,
    tiny_release,
)
from tests.counting import counted, counts_by_key
from tests.listening import PARTITIONS, Fetched, Records, listening
from tests.offline import CHAMPION, SIZES, Worker
from tests.oracle import Life, score_all

#: Another catalogue than the champion's ("x1" was unknown, every other track is now, rows moved), and another size.
CHALLENGER = tiny_release(8, track_ids=("x1", "fresh", *TRACK_IDS[::-2]), hidden_size=5)

#: The champion's catalogue and size, other weights.
REFIT = tiny_release(9)

#: The champion's catalogue, networks of every kind.
OF_ARCHITECTURES = tuple(release_of(network_of(config), seed) for seed, config in enumerate(TINY_CONFIGS.values()))

cuts = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=4)
law = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.data_too_large])


# -- one play moves one state once


@law
@given(records=listening(), cuts=cuts, rewinds=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 120)), max_size=5))
def test_plays_delivered_again_change_nothing(
    records: Fetched, cuts: Sequence[tuple[int, int]], rewinds: Sequence[tuple[int, int]]
) -> None:
    uninterrupted = Worker().serve_all(records, cuts)

    worker = Worker()
    for partition in PARTITIONS:
        done = 0
        for back, on in [*rewinds, (0, len(records[partition]))]:
            worker.serve({partition: records[partition][max(0, done - back) : done + on]})
            done += on

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
def test_each_play_is_answered_once_in_the_order_of_its_offset(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker().serve_all(records, cuts)

    plays = [(number, each.offset) for number in PARTITIONS for each in records[number] if each.value is not None]
    for horizon in range(len(HORIZONS)):
        answers = worker.answers(horizon)
        assert [(each.source_partition, each.source_offset) for each in answers] == plays
        assert {each.horizon for each in answers} <= {HORIZONS[horizon]}


@law
@given(records=listening(), cuts=cuts)
def test_answering_the_latest_answers_every_last_play_of_those_not_forgotten(
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
def test_the_mark_stands_at_the_last_record_and_says_its_time(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker().serve_all(records, cuts)

    for number in PARTITIONS:
        assert worker.mark(number) == (Mark(records[number][-1].offset, NOON_MS) if records[number] else Mark(-1, -1))


@law
@given(records=listening(), cuts=cuts, answers_each=st.booleans())
def test_who_is_forgotten_stands_nowhere(
    records: Fetched, cuts: Sequence[tuple[int, int]], *, answers_each: bool
) -> None:
    worker = Worker(answers_each=answers_each).serve_all(records, cuts)

    remembered = heard(records).lives
    for number, got in records.items():
        for horizon_topic in ("short", "long"):
            compacted = dict(worker.outputs.get((horizon_topic, number), []))
            for key in {each.key for each in got}:
                assert (compacted[key] is not None) == ((number, key.decode()) in remembered)


# -- batching is invisible


@law
@given(records=listening(), cuts=cuts)
def test_any_split_into_batches_gives_the_oracles_states_and_answers(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker().serve_all(records, cuts)

    assert_states_are_the_oracles(worker, heard(records))
    assert_same_answers(worker, Worker().serve_all(records))


@law
@given(records=listening(), cuts=cuts)
def test_the_last_lists_are_those_of_the_oracle(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    worker = Worker().serve_all(records, cuts)

    lives = heard(records).lives
    for horizon, size in enumerate(SIZES):
        last = {(each.source_partition, each.user_id): each for each in worker.answers(horizon)}
        for who, life in lives.items():
            assert last[who].plays_seen == len(life.plays)
            assert last[who].played_at == life.plays[-1].played_at_ms
            assert_list_is_the_oracles(last[who], score_all(CHAMPION, life)[horizon], size)


@pytest.mark.parametrize("cut", [(), ((1, 0),), ((64, 0),)])
@pytest.mark.parametrize("between", ["t1", "x0"])
@pytest.mark.parametrize("num_between", [RING_SIZE - 2, RING_SIZE - 1, RING_SIZE])
def test_the_ring_ends_where_the_oracles_does(cut: Sequence[tuple[int, int]], between: str, num_between: int) -> None:
    # The second t0 is a repeat, and has a gap, if the ring still holds the first.
    plays = [
        play(at, "u0", track, NOON_MS + 7000 * at, context="none", skipped=False)
        for at, track in enumerate(["t0", *[between] * num_between, "t0"])
    ]
    records: Fetched = {0: plays, 1: []}

    worker, oracle = Worker().serve_all(records, cut), heard(records)

    assert_states_are_the_oracles(worker, oracle)
    for horizon, size in enumerate(SIZES):
        scores = score_all(CHAMPION, oracle.lives[0, "u0"])[horizon]
        assert_list_is_the_oracles(worker.answers(horizon)[-1], scores, size)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), cuts=cuts, second=st.sampled_from([CHAMPION, CHALLENGER, None]))
def test_counts_go_on_beyond_the_ring_whatever_the_batches_and_the_release(
    seed: int, cuts: Sequence[tuple[int, int]], second: Release | None
) -> None:
    # More tracks than a state can count, and more plays than the ring holds.
    numbers = np.random.default_rng(seed).integers(2 * NUM_COUNTED, size=3 * NUM_COUNTED)
    plays = [play(at, "u0", f"t{number}", context="none", skipped=False) for at, number in enumerate(numbers)]

    worker = Worker().serve_all({0: plays[:NUM_COUNTED], 1: []}, cuts)
    worker.release = second or worker.release
    worker.serve_all({0: plays[NUM_COUNTED:], 1: []}, cuts)

    state = worker.states()[0, "u0"]
    at_once = Worker(second).serve_all({0: plays, 1: []}).states()[0, "u0"]
    expected = counted(track_key(f"t{number}") for number in numbers)
    assert counts_by_key(state.counted_track_keys[0], state.counts[0]) == expected
    assert len(expected) == NUM_COUNTED
    assert state.counted_track_keys.tolist() == at_once.counted_track_keys.tolist()
    assert state.counts.tolist() == at_once.counts.tolist()


@law
@given(records=listening(), cuts=cuts)
def test_listeners_and_partitions_keep_apart(records: Fetched, cuts: Sequence[tuple[int, int]]) -> None:
    together = Worker().serve_all(records, cuts)

    alone = Worker()
    for number, got in records.items():
        for key in sorted({each.key for each in got}):
            alone.store[number].pop(b"\x00", None)
            alone.serve({number: [each for each in got if each.key == key]})

    assert alone.states().keys() == together.states().keys()
    for who, state in together.states().items():
        mine, theirs = state_fields(alone.states()[who]), state_fields(state)
        np.testing.assert_allclose(mine.pop("hidden"), theirs.pop("hidden"), atol=TOLERANCE)
        assert mine == theirs


# -- serving is training


@law
@given(records=listening(), cuts=cuts, release=st.sampled_from((CHAMPION, *OF_ARCHITECTURES)))
def test_streamed_states_are_those_of_the_forward_over_whole_histories(
    records: Fetched, cuts: Sequence[tuple[int, int]], release: Release
) -> None:
    worker = Worker(release).serve_all(records, cuts)

    for who, life in heard(records).lives.items():
        offline = fold_whole(release, life)
        np.testing.assert_allclose(worker.states()[who].hidden, offline.hidden, atol=TOLERANCE)
        for horizon in range(len(HORIZONS)):
            told = {(each.source_partition, each.user_id): each for each in worker.answers(horizon)}[who]
            scores = [track.score for track in told.tracks]
            np.testing.assert_allclose(scores, offline.ranked[horizon].scores[0], atol=SCORE_TOLERANCE)


def whole_history(life: Life) -> Histories:
    """As the trainer and the evaluation lay plays out."""
    return gather_histories(
        np.zeros(len(life.plays), np.int64),
        np.array([track_key(each.track) for each in life.plays], np.uint64),
        np.array([each.played_at_ms for each in life.plays]),
        np.array([CONTEXTS.index(each.context) for each in life.plays], np.uint8),
    )


def fold_whole(release: Release, life: Life) -> StepOutput:
    anchors, num_hidden = np.array([len(life.plays) - 1]), release.network.config.hidden_size
    step_input = StepInput.from_nothing(whole_history(life), anchors, num_hidden=num_hidden)
    return step(release.recommender, step_input, sizes=SIZES)


# -- new weights never reset a listener


@law
@given(
    before=listening(),
    after=listening(),
    cuts=cuts,
    releases=st.sampled_from([(CHAMPION, CHALLENGER), (CHAMPION, REFIT), (None, CHAMPION)]),
)
def test_a_new_release_rebuilds_who_plays_from_what_they_remember(
    before: Fetched, after: Fetched, cuts: Sequence[tuple[int, int]], releases: tuple[Release | None, Release]
) -> None:
    first, second = releases
    later = behind(before, after)
    worker = Worker(first).serve_all(before, cuts)
    oracle = heard(before, first)

    worker.release, worker.promoted_at_ms = second, 2
    worker.serve_all(later, cuts)
    oracle.hear_all(chain.from_iterable(later.values()), second)

    states = worker.states()
    assert states.keys() == oracle.lives.keys()
    for who, life in oracle.lives.items():
        if life.release is second:
            assert_state_is_the_oracles(states[who], life)
            np.testing.assert_allclose(states[who].hidden, fold_newest(second, life), atol=TOLERANCE)


@law
@given(before=listening(), after=listening(), releases=st.permutations(OF_ARCHITECTURES))
def test_a_release_of_another_kind_rebuilds_who_plays_from_what_they_remember(
    before: Fetched, after: Fetched, releases: Sequence[Release]
) -> None:
    first, second, *_ = releases
    later = behind(before, after)
    worker = Worker(first).serve_all(before)

    worker.release, worker.promoted_at_ms = second, 2
    worker.serve_all(later)

    oracle = heard(before).hear_all(chain.from_iterable(later.values()), REFIT)  # it knows one kind, and counts alike
    for who, life in oracle.lives.items():
        state = worker.states()[who]
        assert state.plays_folded == life.plays_folded
        if life.release is REFIT:
            assert state.release_key == second.key
            np.testing.assert_allclose(state.hidden, fold_newest(second, life), atol=TOLERANCE)


@law
@given(before=listening(), after=listening(), first=st.sampled_from([CHAMPION, None]))
def test_who_does_not_play_under_a_new_release_keeps_every_byte(
    before: Fetched, after: Fetched, first: Release | None
) -> None:
    later = behind(before, after)
    worker = Worker(first).serve_all(before)
    kept = {number: dict(stored) for number, stored in worker.store.items()}

    worker.release, worker.promoted_at_ms = CHALLENGER, 2
    worker.serve_all(later)

    for number, stored in kept.items():
        silent = stored.keys() - {b"\x01" + (each.key or b"") for each in later[number]} - {b"\x00"}
        assert {key: worker.store[number].get(key) for key in silent} == {key: stored[key] for key in silent}


@law
@given(records=listening(), cuts=cuts)
def test_before_the_first_release_plays_are_remembered_and_nothing_is_answered(
    records: Fetched, cuts: Sequence[tuple[int, int]]
) -> None:
    worker = Worker(release=None).serve_all(records, cuts)

    assert_states_are_the_oracles(worker, heard(records, None))
    assert worker.answers(0) == worker.answers(1) == []


def behind(before: Fetched, after: Fetched) -> dict[int, Records]:
    """Let `after` come at offsets behind those of `before`."""
    start = 1 + max(each.offset for got in before.values() for each in got)
    return {
        number: [record(start + each.offset, each.key, each.value, partition=number) for each in got]
        for number, got in after.items()
    }


def fold_newest(release: Release, life: Life) -> np.ndarray:
    """Fold the last `plays_folded` plays of the whole history, as they were marked when they arrived."""
    history, folded = whole_history(life), life.plays_folded
    newest = Histories(
        np.array([0, folded]), history.track_keys[-folded:], history.played_at_ms[-folded:],
        history.contexts[-folded:], history.repeats[-folded:],
    )  # fmt: skip
    num_hidden = release.network.config.hidden_size
    step_input = StepInput.from_nothing(newest, np.empty(0, np.int64), num_hidden=num_hidden)
    return step(release.recommender, step_input, sizes=SIZES).hidden


# -- bad input costs one message

junk = st.one_of(
    st.tuples(st.one_of(st.none(), st.binary(max_size=300)), st.binary(max_size=60)),
    st.tuples(st.none(), st.none()),
    st.tuples(st.just(b"\xff"), st.none()),
    st.tuples(
        st.sampled_from([b"u0", b"u1"]),
        st.one_of(
            st.builds(
                play_value,
                st.sampled_from(["u2", "", "\N{SNOWMAN}" * 99]),
                st.text(max_size=3),
                st.one_of(st.integers(), st.text(), st.datetimes().map(str)),
            ),
            st.builds(lambda at: play_value("u0", "t1", at), st.sampled_from([0, -1, NOON_MS * 2, NOON_MS * 1000])),
            st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(
                lambda value: repr(value).encode()
            ),
        ),
    ),
)


@settings(max_examples=80, deadline=None)
@given(messages=st.lists(junk, max_size=12))
def test_every_message_is_accepted_or_refused_with_a_cause(
    messages: list[tuple[bytes | None, bytes | None]],
) -> None:
    keys, values = [key for key, _ in messages], [value for _, value in messages]

    decoded = decode_plays(keys, values, [NOON_MS] * len(messages))

    refused = [reject.index for reject in decoded.rejects]
    assert sorted([*decoded.plays.index.tolist(), *refused]) == list(range(len(messages)))
    assert all(reject.cause and reject.reason for reject in decoded.rejects)


@law
@given(records=listening(), poison=st.lists(st.tuples(st.integers(0, 99), junk), max_size=8), cuts=cuts)
def test_good_plays_among_bad_ones_come_to_what_they_come_to_alone(
    records: Fetched,
    poison: list[tuple[int, tuple[bytes | None, bytes | None]]],
    cuts: Sequence[tuple[int, int]],
) -> None:
    bad = [message for _, message in poison if is_refused(*message)]
    mixed = spread_out(records)
    for (place, _), (key, value) in zip(poison, bad, strict=False):
        before = place % (len(mixed[0]) + 1)
        offset = mixed[0][before - 1].offset + 1 if before else 0
        if all(each.offset != offset for each in mixed[0]):
            mixed[0].insert(before, record(offset, key, value))

    worker = Worker().serve_all(mixed, cuts)

    alone = Worker().serve_all(spread_out(records))
    assert_states_are_the_oracles(worker, heard(spread_out(records)))
    assert_same_answers(worker, alone)
    assert len(worker.dead_letters(0)) == len(mixed[0]) - len(records[0])
    assert not mixed[0] or worker.mark(0).offset == mixed[0][-1].offset


def is_refused(key: bytes | None, value: bytes | None) -> bool:
    return bool(decode_plays([key], [value], [NOON_MS]).rejects)


def spread_out(records: Fetched) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    """Leave room between the offsets."""
    return {
        number: [record(10 * each.offset, each.key, each.value, partition=number) for each in got]
        for number, got in records.items()
    }
