"""Records that cannot be read, however often they are fetched: damaged, or compressed in an unknown codec.

Only this file may look into aiokafka's fetched batches, because its errors do not say where they occurred: that of a
codec names no partition, none names an offset.
"""

import inspect
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import ContractError

logger = logging.getLogger(__name__)

#: Seconds until a partition is tried again: an operator may have given it another leader.
_RETRY_S: Final = 5.0


class UnreadableError(ContractError):
    """Raised when a record can never be read; names its place.

    Attributes:
        partition: where it is.
    """

    def __init__(self, partition: TopicPartition, offset: int, cause: Exception) -> None:
        super().__init__(
            f"offset {offset} of {partition.topic}-{partition.partition} cannot be read: {type(cause).__name__}: "
            f"{cause}; the batch is damaged on the broker, or in a codec unknown to this version: make a broker "
            "with an undamaged replica the leader, or give up the records before it with kafka-delete-records"
        )
        self.partition = partition


class Unreadable:
    """The partitions that a worker leaves alone, while it answers the others.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._errors: dict[tuple[str, int], str] = {}
        self._retry_at_s: dict[tuple[str, int], float] = {}

    def add(self, error: UnreadableError) -> None:
        """Leave a partition alone for a while; the first time, say so."""
        if self._errors.get(error.partition) != str(error):
            logger.error("partition unreadable: %s; the other partitions go on", error)
        self._errors[error.partition] = str(error)
        self._retry_at_s[error.partition] = self._clock() + _RETRY_S

    def waits(self, partition: tuple[str, int]) -> bool:
        """Whether a partition is left alone now."""
        return self._retry_at_s.get(partition, 0.0) > self._clock()

    def discard(self, partition: tuple[str, int]) -> None:
        """Forget a partition that was read, or that belongs to another worker."""
        if self._errors.pop(partition, None):
            logger.info("partition readable: %s-%d is read again, or elsewhere", *partition)
        self._retry_at_s.pop(partition, None)

    def complaint(self, partition: tuple[str, int]) -> str:
        """Say what is wrong with a partition; empty if it can be read."""
        return self._errors.get(partition, "")

    def summary(self) -> str:
        """Say what is wrong with all of them; empty if all can be read."""
        return "; ".join(self._errors.values())


@contextmanager
def naming_unreadable(consumer: AIOKafkaConsumer) -> Iterator[None]:
    """Name the record that a fetch could not read.

    Raises:
        UnreadableError: there is one; a restart would meet it again.
    """
    try:
        yield
    except Exception as exc:
        if (place := _find_unreadable(consumer)) is None:
            raise
        raise UnreadableError(*place, exc) from exc


def _find_unreadable(consumer: AIOKafkaConsumer) -> tuple[TopicPartition, int] | None:
    """Return the partition whose fetched batches ended with an error, and the offset after the last good record."""
    fetcher = consumer._fetcher  # noqa: SLF001  no public call says where an error occurred
    for partition, result in fetcher._records.items() if fetcher else ():  # noqa: SLF001
        batches = getattr(result, "_partition_records", None)
        if batches and inspect.getgeneratorstate(batches._records_iterator) == inspect.GEN_CLOSED:  # noqa: SLF001
            return partition, batches.next_fetch_offset
    return None
