import numpy as np
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from streamer.kafka.checksum import checksum


@given(st.binary(max_size=70), st.integers(0, 70))
def test_a_checksum_is_that_of_aiokafka(content: bytes, begin: int) -> None:
    buffer = np.frombuffer(bytearray(content), np.uint8)
    begin = min(begin, len(buffer))

    assert checksum(buffer, begin) == calc_crc32c(content[begin:])
