"""A chunk: the records of one partition from one fetch."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition from one fetch, in order.

    Attributes:
        partition: its number.
        records: at least one.
        arrived_s: when they were fetched, by the event loop's clock.
        acknowledge: call it once everything that results from the records is on Kafka and on disk.
    """

    partition: int
    records: "Sequence[ConsumerRecord[bytes, bytes]]"
    arrived_s: float
    acknowledge: Callable[[], Awaitable[object]]
