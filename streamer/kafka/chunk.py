"""A chunk: the records of one partition that one fetch brought."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition, in order, that one fetch brought.

    Attributes:
        partition: its number.
        records: at least one.
        acknowledge: to be called when everything they ask for is on Kafka and on disk.
    """

    partition: int
    records: "Sequence[ConsumerRecord[bytes, bytes]]"
    acknowledge: Callable[[], Awaitable[object]]
