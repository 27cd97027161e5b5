"""Law 5: bad input costs one message."""

from collections.abc import Sequence

from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.plays import decode as decode_plays
from tests.agreement import (
    assert_same_answers,
    assert_states_are_the_oracles,
    heard,
)
from tests.amount import examples
from tests.builders import (
    NOON_MS,
    play_value,
    record,
)
from tests.laws.cases import cuts, law
from tests.listening import Fetched, listening
from tests.offline import Worker

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


@settings(max_examples=examples(80), deadline=None)
@given(messages=st.lists(junk, max_size=12))
def test_every_message_is_accepted_or_rejected_with_a_cause(
    messages: list[tuple[bytes | None, bytes | None]],
) -> None:
    keys, values = [key for key, _ in messages], [value for _, value in messages]

    decoded = decode_plays(keys, values, [NOON_MS] * len(messages), [0] * len(messages))

    rejected = [reject.index for reject in decoded.rejects]
    assert sorted([*decoded.plays.index.tolist(), *rejected]) == list(range(len(messages)))
    assert all(reject.cause and reject.reason for reject in decoded.rejects)


@law
@given(records=listening(), poison=st.lists(st.tuples(st.integers(0, 99), junk), max_size=8), cuts=cuts)
def test_good_plays_have_the_same_effect_with_bad_ones_among_them(
    records: Fetched,
    poison: list[tuple[int, tuple[bytes | None, bytes | None]]],
    cuts: Sequence[tuple[int, int]],
) -> None:
    bad = [message for _, message in poison if is_rejected(*message)]
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


def is_rejected(key: bytes | None, value: bytes | None) -> bool:
    return bool(decode_plays([key], [value], [NOON_MS], [0]).rejects)


def spread_out(records: Fetched) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    """Leave gaps between the offsets."""
    return {
        number: [record(10 * each.offset, each.key, each.value, partition=number) for each in got]
        for number, got in records.items()
    }
