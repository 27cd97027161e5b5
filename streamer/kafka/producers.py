"""The producers: idempotent, acknowledged by every in-sync replica. Every producer is created here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, ProducerFenced
from aiokafka.structs import RecordMetadata

from streamer.kafka.clients import closing_connections, hear, stop_all
from streamer.kafka.connection import Connection

#: What becomes of a record that a producer has accepted.
Delivery: TypeAlias = "asyncio.Future[RecordMetadata]"

#: The size of one record batch of a transaction; the broker's default limit is slightly above 1 MiB.
MAX_BATCH_BYTES: Final = 1_000_000


class Producer(AIOKafkaProducer):
    """A producer that leaves nothing behind where its start or its stop is cancelled, or Kafka has fenced it."""

    async def start(self) -> None:
        """Connect."""
        with closing_connections():
            await super().start()

    async def stop(self) -> None:
        """Send what is left, and disconnect."""
        await stop_all(self, self.client, super().stop())
        for batch in chain.from_iterable(self._message_accumulator._batches.values()):  # noqa: SLF001  never sent
            hear(batch._drain_waiter)  # noqa: SLF001  fails like its records, and is awaited by nobody

    async def begin_transaction(self) -> None:
        """Begin a transaction."""
        await super().begin_transaction()
        hear(self._txn_manager.wait_for_transaction_end())  # an error of a record leaves it to nobody


def create_producer(connection: Connection, *, max_batch_bytes: int = 16 << 10, linger_ms: int = 0) -> Producer:
    """Create a producer that sends each record once, in order within each partition.

    Args:
        connection: to Kafka.
        max_batch_bytes: the size limit of one record batch.
        linger_ms: how long a record batch waits for more records.
    """
    return Producer(
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
) -> Producer:
    """Create a transactional producer; its start fences every earlier producer with the same id.

    Args:
        connection: to Kafka.
        transactional_id: the id that it shares with the producers it fences.
        transaction_timeout_s: Kafka aborts a transaction left open for this long.
        max_batch_bytes: the size limit of the record batches that it makes itself; `transaction.send` makes its own.
    """
    return Producer(
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


async def send_all(sends: Iterator[Awaitable[Delivery]]) -> list[RecordMetadata]:
    """Send records in order; return where they are, once Kafka has acknowledged all of them.

    Args:
        sends: calls of a producer's `send` or `send_batch`, each made once the one before it has been accepted.

    Raises:
        KafkaError: a record was not accepted, or not acknowledged. The others may be on their topics.
    """
    deliveries = []
    for send in sends:
        deliveries.append(await send)
        hear(deliveries[-1])
    return await asyncio.gather(*deliveries)
