from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.faust.recent import Recent
from streamer.wire.changelog import Item

writes = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.none() | st.binary(max_size=900)), max_size=30
)


def known_to(recent: Recent, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
    values, unknown = recent.look_up(keys)
    return {key: value for place, (key, value) in enumerate(zip(keys, values, strict=True)) if place not in unknown}


@given(writes, st.integers(0, 3000))
def test_what_is_known_is_what_was_written_last_and_takes_no_more_room(written: Sequence[Item], max_bytes: int) -> None:
    recent, store = Recent(max_bytes), dict[bytes, bytes | None]()
    for item in written:
        recent.note([item])
        store.update([item])

        known = known_to(recent, [b"a", b"b", b"c", b"d", b"never"])
        assert known.items() <= store.items()
        assert sum(len(value or b"") for value in known.values()) <= max_bytes


def test_a_key_that_came_first_is_forgotten_first_even_if_it_was_written_again() -> None:
    recent = Recent(2000)

    recent.note([(b"a", bytes(400)), (b"b", bytes(400))])
    recent.note([(b"a", bytes(300)), (b"c", bytes(400))])

    assert known_to(recent, [b"a", b"b", b"c"]) == {b"b": bytes(400), b"c": bytes(400)}


def test_a_key_that_is_written_often_takes_room_once() -> None:
    recent = Recent(2000)
    recent.note([(b"a", bytes(400))])

    for _ in range(10):
        recent.note([(b"b", bytes(400))])

    assert known_to(recent, [b"a", b"b"]) == {b"a": bytes(400), b"b": bytes(400)}


@pytest.mark.parametrize("value", [None, b"", b"state"])
def test_what_was_deleted_is_known_as_well(value: bytes | None) -> None:
    recent = Recent(1500)
    recent.note([(b"a", b"before"), (b"a", value)])

    assert known_to(recent, [b"a", b"b"]) == {b"a": value}
