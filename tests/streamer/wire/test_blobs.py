import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.blobs import Blobs

values_of = st.lists(st.none() | st.binary(max_size=20), max_size=9)


@given(values_of, values_of)
def test_blobs_keep_what_they_are_made_of(first: list[bytes | None], second: list[bytes | None]) -> None:
    assert Blobs.of(first).to_list() == first
    assert Blobs.of(first).followed_by(second).to_list() == first + second


@given(values_of, st.data())
def test_any_of_them_can_be_taken_in_any_order(values: list[bytes | None], draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, len(values)))
    last = draw.draw(st.integers(first, len(values)))
    part = Blobs.of(values).part(first, last)
    index = draw.draw(st.lists(st.integers(0, last - first - 1)) if last > first else st.just([]))

    assert part.to_list() == values[first:last]
    assert part.take(np.array(index, np.int64)).to_list() == [values[first + place] for place in index]
    assert part.followed_by([b"x", None]).to_list() == [*values[first:last], b"x", None]
