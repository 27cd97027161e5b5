"""Transactions on a real broker: what a batch takes from its first request to its commit, on topics of their own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.client import AIOKafkaClient

from streamer.bench.timing import Times, rounds
from streamer.bench.workbench import Batches
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.kafka.fence import Fence
from streamer.kafka.transaction import write

_MOST_ROUNDS: Final = 200


async def time_transactions(
    connection: Connection, batches: Mapping[int, Batches], *, name: str, replication: int, timeout_s: float,
    limit_s: float,
) -> dict[int, Times]:  # fmt: skip
    """Write batches in transactions, again and again, then delete the topics; return times by size of a batch.

    Args:
        connection: to Kafka.
        batches: by size, what a batch writes to each topic; each has the same topics.
        name: of the transactional producer.
        replication: replicas of the topics, or as many as there are brokers.
        timeout_s: until Kafka aborts a transaction.
        limit_s: for each size.

    Raises:
        ContractError: Kafka does not create the topics.
        KafkaError: Kafka refuses a transaction.
    """
    topics = list(next(iter(batches.values())))
    async with _topics(connection, topics, replication), _client(connection) as client:
        fence = Fence(client, name, 0, timeout_s)
        await fence.take()
        return {size: await _time(fence, size, of_size, limit_s) for size, of_size in batches.items()}


async def _time(fence: Fence, size: int, batches: Batches, limit_s: float) -> Times:
    times = Times(size)
    await write(fence, batches)  # finds the leaders
    for _ in rounds(limit_s, _MOST_ROUNDS):
        with times.timed():
            await write(fence, batches)
    return times


@asynccontextmanager
async def _topics(connection: Connection, topics: list[str], replication: int) -> AsyncIterator[None]:
    """Create topics of one partition, as a worker creates its own; delete them at the end, whatever happens."""
    async with KafkaAdmin(connection) as admin:
        replicas = min(replication, await admin.count_brokers())
        configs = {"min.insync.replicas": str(max(1, min(2, replicas - 1)))}
        try:
            for topic in topics:
                await admin.create_topic(topic, 1, replicas, configs)
            yield
        finally:
            await admin.delete_topics(topics)


@asynccontextmanager
async def _client(connection: Connection) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**connection.client_options())
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()
