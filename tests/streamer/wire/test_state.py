import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import NUM_COUNTED, RING_SIZE
from streamer.wire.state import NO_RELEASE, States, decode, encode
from tests.builders import random_states, state_fields, state_of
from tests.counting import counted, counts_by_key

HEADER_BYTES = 1 + 2 + 8 + 8 + 4 + 8 + 8 + 8 + 8
RING_BYTES = RING_SIZE * (8 + 8 + 1 + 1)
COUNT_BYTES = NUM_COUNTED * (8 + 4)


@given(plays_seen=st.lists(st.integers(0, 200), min_size=1, max_size=5), num_hidden=st.integers(0, 9))
def test_decoding_returns_what_was_encoded(plays_seen: list[int], num_hidden: int) -> None:
    states = random_states(plays_seen, num_hidden=num_hidden)

    decoded = decode(encode(states), num_hidden)

    assert state_fields(decoded) == state_fields(states)
    assert {name: getattr(decoded, name).dtype for name in States.__slots__} == {
        name: getattr(states, name).dtype for name in States.__slots__
    }


def test_the_largest_numbers_survive() -> None:
    (largest,) = encode(random_states([1]))
    states = decode([largest], 6)
    for name in ("release_key", "source_offset", "plays_seen", "played_at_ms", "plays_folded"):
        top = np.iinfo(np.uint32 if name == "plays_folded" else getattr(states, name).dtype).max
        states = States(**{**{n: getattr(states, n) for n in States.__slots__}, name: np.full(1, top, np.uint64)})

    decoded = decode(encode(states), 6)

    assert decoded.release_key[0] == 2**64 - 1
    assert decoded.plays_folded[0] == 2**32 - 1
    assert decoded.source_offset[0] == decoded.plays_seen[0] == decoded.played_at_ms[0] == 2**63 - 1


def test_a_record_has_no_padding() -> None:
    (record,) = encode(random_states([70], num_hidden=6))

    assert len(record) == HEADER_BYTES + RING_BYTES + COUNT_BYTES + 6 * 4


def test_a_record_is_little_endian_from_its_version_on() -> None:
    (record,) = encode(random_states([3], num_hidden=6, release_key=9))

    version, num_hidden, release_key = struct.unpack_from("<BHQ", record)

    assert (version, num_hidden, release_key) == (2, 6, 9)


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
    records = encode(states)

    decoded = decode([records[2], None, records[0]], 6)

    assert state_fields(state_of(decoded, 0)) == state_fields(state_of(states, 2))
    assert state_fields(state_of(decoded, 1)) == state_fields(decode([None], 6))
    assert state_fields(state_of(decoded, 2)) == state_fields(state_of(states, 0))


@pytest.mark.parametrize("num_hidden", [0, 5, 8])
def test_a_state_of_another_size_keeps_everything_but_its_hidden_units(num_hidden: int) -> None:
    states = random_states([70])

    decoded = state_fields(decode(encode(states), num_hidden))

    expected = state_fields(states)
    assert decoded.pop("hidden") == [[0.0] * num_hidden]
    assert decoded == {name: values for name, values in expected.items() if name != "hidden"}


def test_states_of_two_sizes_can_be_mixed() -> None:
    records = [*encode(random_states([5], num_hidden=8)), *encode(random_states([6], num_hidden=6))]

    decoded = decode(records, 6)

    assert not decoded.hidden[0].any()
    assert decoded.hidden[1].tolist() == random_states([6], num_hidden=6).hidden[0].tolist()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda record: b"\x00" + record[1:], "format version 0"),
        (lambda record: b"\x03" + record[1:], "format version 3"),
        (lambda record: b"\x01" + record[1:], "the store is damaged"),
        (lambda record: b"\x01" + record[1:100], "the store is damaged"),
        (lambda record: record[:100], "the store is damaged"),
        (lambda _: b"", "the store is damaged"),
        (lambda record: record[:-1], "the store is damaged"),
        (lambda record: record + b"\0\0\0\0", "the store is damaged"),
    ],
)
def test_a_damaged_record_is_refused(damage: Callable[[bytes], bytes], message: str) -> None:
    whole, other = encode(random_states([5, 6]))

    with pytest.raises(ValueError, match=message):
        decode([other, damage(whole)], 6)


def test_a_damaged_record_is_refused_even_if_its_neighbour_makes_up_the_length() -> None:
    long, short = encode(random_states([5, 6]))

    with pytest.raises(ValueError, match="the store is damaged"):
        decode([long + b"\0\0\0\0", short[:-4]], 6)


def test_a_damaged_record_of_another_size_is_refused() -> None:
    (record,) = encode(random_states([5], num_hidden=6))

    with pytest.raises(ValueError, match="the store is damaged"):
        decode([record[:-4]], 8)


def of_version_1(record: bytes) -> bytes:
    """Convert a record to the bytes that version 1 wrote."""
    header = HEADER_BYTES + RING_BYTES
    return b"\x01" + record[1:header] + record[header + COUNT_BYTES :]


@pytest.mark.parametrize("plays_seen", [0, 2, 64, 500])
def test_a_record_of_version_1_counts_the_plays_of_its_ring(plays_seen: int) -> None:
    states = random_states([plays_seen])
    states.ring_track_keys[0, : min(plays_seen, 9)] = 7
    (record,) = encode(states)

    decoded = decode([of_version_1(record)], 6)

    ring = states.ring_track_keys[0, : states.ring_lengths[0]].tolist()
    assert counts_by_key(decoded.counted_track_keys[0], decoded.counts[0]) == counted(ring)
    before, after = state_fields(states), state_fields(decoded)
    for name in before.keys() - {"counted_track_keys", "counts"}:
        assert after[name] == before[name]


def test_records_of_both_versions_can_be_mixed() -> None:
    states = random_states([70, 3, 64])
    first, second, third = encode(states)

    decoded = decode([first, of_version_1(second), None, of_version_1(third), first], 6)

    alone = [decode([record], 6) for record in (first, of_version_1(second), None, of_version_1(third), first)]
    assert [state_fields(state_of(decoded, row)) for row in range(5)] == [state_fields(state) for state in alone]


def test_states_are_taken_by_index_and_by_mask() -> None:
    states = random_states([3, 0, 99])

    assert states.take(np.array([2, 0])).plays_seen.tolist() == [99, 3]
    assert states.take(np.array([False, True, False])).plays_seen.tolist() == [0]
    assert len(states) == 3


def test_a_ring_holds_all_plays_seen_up_to_its_size() -> None:
    assert random_states([0, 1, 63, 64, 65]).ring_lengths.tolist() == [0, 1, 63, 64, 64]
