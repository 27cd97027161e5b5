"""How far back a topic is read."""

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streamer.kafka.extent import Extent, TooFarBackError
from streamer.wire.letters import RecordId


def places(*offsets: int) -> dict[TopicPartition, int]:
    return {TopicPartition("dead", number): offset for number, offset in enumerate(offsets)}


def test_what_short_partitions_leave_is_shared_by_the_others() -> None:
    extent = Extent(100)

    assert extent.starts(places(0, 0, 0), places(10, 500, 70)) == places(0, 455, 25)
    assert extent.starts(places(0, 5, 7), places(10, 50, 7)) == places(0, 5, 7)
    assert extent.starts({}, {}) == {}


def test_all_of_a_partition_behind_a_named_letter_is_read() -> None:
    extent = Extent(100, [RecordId(1, 460), RecordId(1, 430), RecordId(2, 3), RecordId(9, 0)])

    assert extent.starts(places(0, 0, 5), places(900, 500, 7)) == places(872, 430, 5)  # deleted up to 5


def test_a_letter_beyond_the_extent_is_refused() -> None:
    with pytest.raises(TooFarBackError, match=r"more than 100 records were written .* use `refrain dead-letters`"):
        Extent(100, [RecordId(0, 5)]).starts(places(0), places(106))
    assert Extent(100, [RecordId(0, 6)]).starts(places(0), places(106)) == places(6)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6), st.integers(0, 120))
def test_no_more_is_read_than_the_extent_and_no_less_where_there_is_more(
    partitions: list[tuple[int, int]], num_offsets: int
) -> None:
    begins, ends = places(*(begin for begin, _ in partitions)), places(*(begin + num for begin, num in partitions))

    starts = Extent(num_offsets).starts(begins, ends)

    assert all(begins[each] <= starts[each] <= ends[each] for each in ends)
    assert sum(ends[each] - starts[each] for each in ends) == min(num_offsets, sum(num for _, num in partitions))
