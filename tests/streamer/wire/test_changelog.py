import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.changelog import COUNT_KEY, MARK_KEY, NO_MARK, Mark, decode_count, encode_count, listener_key

int64s = st.integers(-(2**63), 2**63 - 1)


@given(offset=int64s, timestamp_ms=int64s)
def test_a_mark_is_read_as_it_was_written(offset: int, timestamp_ms: int) -> None:
    mark = Mark(offset, timestamp_ms)

    assert Mark.decode(mark.encode()) == mark


@given(user=st.binary(max_size=256))
def test_no_user_id_collides_with_mark_or_count_or_with_a_key_of_fausts(user: bytes) -> None:
    key = listener_key(user)

    assert key not in {MARK_KEY, COUNT_KEY}
    assert not any(each.startswith(b"_") for each in (key, MARK_KEY, COUNT_KEY))


@given(one=st.binary(max_size=20), other=st.binary(max_size=20))
def test_two_users_never_share_a_key(one: bytes, other: bytes) -> None:
    assert (listener_key(one) == listener_key(other)) == (one == other)


@pytest.mark.parametrize("value", [b"", b"\x02" + bytes(16), b"\x01" + bytes(15), b"\x01" + bytes(17)])
def test_a_mark_of_another_version_or_length_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="which this worker does not know: run the version that wrote it"):
        Mark.decode(value)


@given(num_listeners=st.integers(0, 2**63 - 1))
def test_a_count_is_read_as_it_was_written(num_listeners: int) -> None:
    assert decode_count(encode_count(num_listeners)) == num_listeners


@pytest.mark.parametrize("value", [b"", b"\x02" + bytes(8), b"\x01" + bytes(7), b"\x01" + bytes(9)])
def test_a_count_of_another_version_or_length_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="which this worker does not know: run the version that wrote it"):
        decode_count(value)


def test_before_the_first_play_every_offset_is_ahead_of_the_mark() -> None:
    assert NO_MARK.offset < 0
