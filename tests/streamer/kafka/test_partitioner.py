import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.kafka.partitioner import PARTITIONERS
from streamer.settings import Settings


@pytest.mark.parametrize(
    ("key", "hashed"),
    [  # org.apache.kafka.common.utils.UtilsTest
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_agrees_with_the_java_client(key: bytes, hashed: int) -> None:
    assert PARTITIONERS["murmur2"](key, 1_000_003) == (hashed & 0x7FFFFFFF) % 1_000_003


def test_crc32_agrees_with_librdkafka() -> None:
    assert PARTITIONERS["crc32"](b"123456789", 1_000_003) == 0xCBF43926 % 1_000_003  # the check value of CRC-32


@given(key=st.binary(max_size=300), num_partitions=st.integers(1, 1000), name=st.sampled_from(sorted(PARTITIONERS)))
def test_every_key_has_a_partition(key: bytes, num_partitions: int, name: str) -> None:
    assert 0 <= PARTITIONERS[name](key, num_partitions) < num_partitions


def test_every_partitioner_can_be_set_and_no_other() -> None:
    for name in PARTITIONERS:
        assert Settings.from_environment({"REFRAIN_PARTITIONER": name}).partitioner == name
