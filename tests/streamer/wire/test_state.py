import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import NUM_COUNTED, RING_SIZE
from streamer.wire.state import NO_RELEASE, States, decode
from tests.builders import random_states, records_of, state_fields, state_of
from tests.counting import counted, counts_by_key

HEADER_BYTES = 1 + 2 + 8 + 8 + 4 + 8 + 8 + 8 + 8
SIZES_BYTES = 1 + 1 + 2
PLAY_BYTES, COUNT_BYTES = 8 + 8 + 1 + 1, 8 + 4


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.integers(0, 9), st.integers(0, 70))
def test_decoding_returns_what_was_encoded(plays_seen: list[int], num_hidden: int, num_said: int) -> None:
    states = random_states(plays_seen, num_hidden=num_hidden, num_said=num_said)

    decoded = decode(records_of(states), num_hidden, num_said)

    assert state_fields(decoded) == state_fields(states)
    assert {name: getattr(decoded, name).dtype for name in States.__slots__} == {
        name: getattr(states, name).dtype for name in States.__slots__
    }


def test_the_largest_numbers_survive() -> None:
    (largest,) = records_of(random_states([1]))
    states = decode([largest], 6)
    for name in ("release_key", "source_offset", "plays_seen", "played_at_ms", "plays_folded"):
        top = np.iinfo(np.uint32 if name == "plays_folded" else getattr(states, name).dtype).max
        states = States(**{**{n: getattr(states, n) for n in States.__slots__}, name: np.full(1, top, np.uint64)})

    decoded = decode(records_of(states), 6)

    assert decoded.release_key[0] == 2**64 - 1
    assert decoded.plays_folded[0] == 2**32 - 1
    assert decoded.source_offset[0] == decoded.plays_seen[0] == decoded.played_at_ms[0] == 2**63 - 1


@pytest.mark.parametrize("plays_seen", [0, 1, 64, 70, 128, 500])
def test_a_record_has_neither_padding_nor_free_places(plays_seen: int) -> None:
    (record,) = records_of(random_states([plays_seen], num_hidden=6, num_said=7))

    ring, counts = PLAY_BYTES * min(plays_seen, RING_SIZE), COUNT_BYTES * min(plays_seen, NUM_COUNTED)
    assert len(record) == HEADER_BYTES + SIZES_BYTES + ring + counts + 6 * 4 + 7 * 4 * (plays_seen > 0)


def test_a_state_that_remembers_fewer_or_more_tracks_of_lists_forgets_them() -> None:
    records = records_of(random_states([70], num_said=7))

    for num_said in (0, 6, 8):
        assert decode(records, 6, num_said).said.tolist() == [[0] * num_said]


def test_a_record_is_little_endian_from_its_version_on() -> None:
    (record,) = records_of(random_states([3], num_hidden=6, release_key=9))

    version, num_hidden, release_key = struct.unpack_from("<BHQ", record)

    assert (version, num_hidden, release_key) == (3, 6, 9)


def test_a_new_listener_has_an_empty_state() -> None:
    empty = decode([None], 4)

    assert empty.source_offset.tolist() == [-1]
    assert empty.release_key.tolist() == [NO_RELEASE]
    assert empty.plays_seen.tolist() == empty.ring_lengths.tolist() == empty.plays_folded.tolist() == [0]
    assert not empty.hidden.any()
    assert not empty.counted_track_keys.any()
    assert not empty.counts.any()


def test_a_record_reads_the_same_among_others() -> None:
    states = random_states([3, 0, 99])
    records = records_of(states)

    decoded = decode([records[2], None, records[0]], 6)

    assert state_fields(state_of(decoded, 0)) == state_fields(state_of(states, 2))
    assert state_fields(state_of(decoded, 1)) == state_fields(decode([None], 6))
    assert state_fields(state_of(decoded, 2)) == state_fields(state_of(states, 0))


@pytest.mark.parametrize("num_hidden", [0, 5, 8])
def test_a_state_of_another_size_keeps_everything_but_its_hidden_units(num_hidden: int) -> None:
    states = random_states([70])

    decoded = state_fields(decode(records_of(states), num_hidden))

    expected = state_fields(states)
    assert decoded.pop("hidden") == [[0.0] * num_hidden]
    assert decoded == {name: values for name, values in expected.items() if name != "hidden"}


def test_states_of_two_sizes_can_be_mixed() -> None:
    records = [*records_of(random_states([5], num_hidden=8)), *records_of(random_states([6], num_hidden=6))]

    decoded = decode(records, 6)

    assert not decoded.hidden[0].any()
    assert decoded.hidden[1].tolist() == random_states([6], num_hidden=6).hidden[0].tolist()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda record: b"\x00" + record[1:], "format version 0"),
        (lambda record: b"\x04" + record[1:], "format version 4"),
        (lambda record: b"\x02" + record[1:], "the store is damaged"),
        (lambda record: record[:55] + b"\x41" + record[56:], "the store is damaged"),
        (lambda record: b"\x01" + record[1:], "the store is damaged"),
        (lambda record: b"\x01" + record[1:100], "the store is damaged"),
        (lambda record: record[:100], "the store is damaged"),
        (lambda _: b"", "the store is damaged"),
        (lambda record: record[:-1], "the store is damaged"),
        (lambda record: record + b"\0\0\0\0", "the store is damaged"),
    ],
)
def test_a_damaged_record_is_refused(damage: Callable[[bytes], bytes], message: str) -> None:
    whole, other = records_of(random_states([5, 6]))

    with pytest.raises(ValueError, match=message):
        decode([other, damage(whole)], 6)


def test_a_damaged_record_is_refused_even_if_its_neighbour_makes_up_the_length() -> None:
    long, short = records_of(random_states([5, 6]))

    with pytest.raises(ValueError, match="the store is damaged"):
        decode([long + b"\0\0\0\0", short[:-4]], 6)


def test_a_damaged_record_of_another_size_is_refused() -> None:
    (record,) = records_of(random_states([5], num_hidden=6))

    with pytest.raises(ValueError, match="the store is damaged"):
        decode([record[:-4]], 8)


def of_version(version: int, states: States) -> bytes:
    """Write a state as an older version did."""
    (record,) = records_of(states)
    columns = ["ring_track_keys", "ring_played_at_ms", "ring_contexts", "ring_bits"]
    if version > 1:
        columns += ["counted_track_keys", "counts"]
    places = b"".join(getattr(states, name)[0].tobytes() for name in columns)
    return bytes([version]) + record[1:HEADER_BYTES] + places + states.hidden.tobytes()


@pytest.mark.parametrize("plays_seen", [0, 2, 64, 500])
def test_a_record_of_version_1_counts_the_plays_of_its_ring(plays_seen: int) -> None:
    states = random_states([plays_seen])
    states.ring_track_keys[0, : min(plays_seen, 9)] = 7

    decoded = decode([of_version(1, states)], 6)

    ring = states.ring_track_keys[0, : states.ring_lengths[0]].tolist()
    assert counts_by_key(decoded.counted_track_keys[0], decoded.counts[0]) == counted(ring)
    before, after = state_fields(states), state_fields(decoded)
    for name in before.keys() - {"counted_track_keys", "counts"}:
        assert after[name] == before[name]


@pytest.mark.parametrize("plays_seen", [0, 2, 64, 500])
def test_a_record_of_version_2_reads_as_it_was_written(plays_seen: int) -> None:
    states = random_states([plays_seen])

    assert state_fields(decode([of_version(2, states)], 6)) == state_fields(states)


@pytest.mark.parametrize("version", [1, 2])
def test_a_damaged_record_of_an_older_version_is_refused(version: int) -> None:
    record = of_version(version, random_states([70]))

    for damaged in (record[:-1], record + b"\0", record[:100], record[:1]):
        with pytest.raises(ValueError, match="the store is damaged"):
            decode([damaged], 6)


def test_records_of_all_versions_can_be_mixed() -> None:
    states = [random_states([plays], seed=plays) for plays in (70, 3, 64)]
    records = [*records_of(states[0]), of_version(1, states[1]), None, of_version(2, states[2]), *records_of(states[0])]

    decoded = decode(records, 6)

    alone = [decode([record], 6) for record in records]
    assert [state_fields(state_of(decoded, row)) for row in range(5)] == [state_fields(state) for state in alone]


def test_states_are_taken_by_index_and_by_mask() -> None:
    states = random_states([3, 0, 99])

    assert states.take(np.array([2, 0])).plays_seen.tolist() == [99, 3]
    assert states.take(np.array([False, True, False])).plays_seen.tolist() == [0]
    assert len(states) == 3


def test_a_ring_holds_all_plays_seen_up_to_its_size() -> None:
    assert random_states([0, 1, 63, 64, 65]).ring_lengths.tolist() == [0, 1, 63, 64, 64]
