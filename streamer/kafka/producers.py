"""The producers: idempotent, acknowledged by every in-sync replica. Every producer is created here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, ProducerFenced

from streamer.kafka.connection import Connection

#: The size of one record batch of a transaction; the broker's default limit is slightly above 1 MiB.
MAX_BATCH_BYTES: Final = 1_000_000


def create_producer(connection: Connection, *, max_batch_bytes: int = 16 << 10, linger_ms: int = 0) -> AIOKafkaProducer:
    """Create a producer that sends each record once, in order within each partition.

    Args:
        connection: to Kafka.
        max_batch_bytes: the size limit of one record batch.
        linger_ms: how long a record batch waits for more records.
    """
    return AIOKafkaProducer(
        **connection.client_options(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=max_batch_bytes,
        linger_ms=linger_ms,
    )


def create_transactional_producer(
    connection: Connection,
    *,
    transactional_id: str,
    transaction_timeout_s: float,
    max_batch_bytes: int = MAX_BATCH_BYTES,
) -> AIOKafkaProducer:
    """Create a transactional producer; its start fences every earlier producer with the same id.

    Args:
        connection: to Kafka.
        transactional_id: the id that it shares with the producers it fences.
        transaction_timeout_s: Kafka aborts a transaction left open for this long.
        max_batch_bytes: the size limit of the record batches that it makes itself; `transaction.send` makes its own.
    """
    return AIOKafkaProducer(
        **connection.client_options(),
        transactional_id=transactional_id,
        transaction_timeout_ms=int(transaction_timeout_s * 1000),
        max_batch_size=max_batch_bytes,
    )


@asynccontextmanager
async def transaction(producer: AIOKafkaProducer) -> AsyncIterator[None]:
    """Send in one transaction, which is committed at the end and aborted by an error.

    Raises:
        ProducerFenced: another producer has the id now. An earlier record may have brought the news; aiokafka then says
            of the next one that it comes outside a transaction.
        KafkaError: Kafka refuses, or the outcome is unknown.
    """
    try:
        async with producer.transaction():
            yield
    except IllegalOperation as exc:
        raise ProducerFenced from exc
