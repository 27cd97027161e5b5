"""The producers: idempotent, acknowledged by every replica in sync. Every producer is created here."""

from typing import Final

from aiokafka import AIOKafkaProducer

#: How much goes to Kafka in one record batch of a transaction; the broker's default limit is slightly above 1 MiB.
MAX_BATCH_BYTES: Final = 1_000_000


def create_producer(bootstrap_servers: str, *, max_batch_bytes: int = 16 << 10, linger_ms: int = 0) -> AIOKafkaProducer:
    """Create a producer that sends each record once, those of a partition in order.

    Args:
        bootstrap_servers: where Kafka answers.
        max_batch_bytes: of one record batch.
        linger_ms: how long a record batch waits for more records.
    """
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_batch_size=max_batch_bytes,
        linger_ms=linger_ms,
    )


def create_transactional_producer(
    bootstrap_servers: str, *, transactional_id: str, transaction_timeout_s: float
) -> AIOKafkaProducer:
    """Create a producer of transactions; its start fences every earlier producer of the same id.

    Args:
        bootstrap_servers: where Kafka answers.
        transactional_id: what it fences by.
        transaction_timeout_s: after which Kafka aborts a transaction left open.
    """
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        transactional_id=transactional_id,
        transaction_timeout_ms=int(transaction_timeout_s * 1000),
        max_batch_size=MAX_BATCH_BYTES,
    )
