"""Records that cannot be read, however often they are fetched: damaged, or compressed in an unknown codec.

Only this file may look into aiokafka's fetched batches, because its errors do not say where they occurred: that of a
codec names no partition, none names an offset.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import ContractError


@contextmanager
def naming_unreadable(consumer: AIOKafkaConsumer) -> Iterator[None]:
    """Name the record that a fetch could not read.

    Raises:
        ContractError: there is one; a restart would meet it again.
    """
    try:
        yield
    except Exception as exc:
        if (place := _find_unreadable(consumer)) is None:
            raise
        partition, offset = place
        raise ContractError(
            f"offset {offset} of {partition.topic}-{partition.partition} cannot be read: {type(exc).__name__}: {exc}; "
            "the batch is damaged on the broker, or in a codec that this version does not know: make a broker with an "
            "undamaged replica the leader, or give up the records before it with kafka-delete-records"
        ) from exc


def _find_unreadable(consumer: AIOKafkaConsumer) -> tuple[TopicPartition, int] | None:
    """Return the partition whose fetched batches ended with an error, and the offset after the last good record."""
    fetcher = consumer._fetcher  # noqa: SLF001  no public call says where an error occurred
    for partition, result in fetcher._records.items() if fetcher else ():  # noqa: SLF001
        batches = getattr(result, "_partition_records", None)
        if batches and inspect.getgeneratorstate(batches._records_iterator) == inspect.GEN_CLOSED:  # noqa: SLF001
            return partition, batches.next_fetch_offset
    return None
