"""The partition of a key, by the two partitioners in wide use.

All plays of a listener must be in one partition. Refrain cannot see which partitioner the producers use. If the
operator names it (`REFRAIN_PARTITIONER`), plays in another partition go to the dead letters instead of splitting a
listener's state.
"""

from binascii import crc32
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka.partitioner import murmur2

#: From a key and a number of partitions to a partition.
Partitioner = Callable[[bytes, int], int]


def _by_murmur2(key: bytes, num_partitions: int) -> int:
    return int(murmur2(key) & 0x7FFFFFFF) % num_partitions


def _by_crc32(key: bytes, num_partitions: int) -> int:
    return crc32(key) % num_partitions


#: `murmur2` is the default of the Java client and aiokafka, `crc32` that of librdkafka.
PARTITIONERS: Final[Mapping[str, Partitioner]] = {"murmur2": _by_murmur2, "crc32": _by_crc32}
