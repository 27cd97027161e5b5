"""The consumers: all but a worker's read the partitions that are assigned by hand, and are members of no group."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streamer.kafka.clients import closing_connections, running, stop_all, watch_tasks
from streamer.kafka.connection import Connection
from streamer.kafka.unreadable import naming_unreadable

EVERYTHING: Final[Mapping[TopicPartition, int]] = MappingProxyType({})  # where `read_until` starts by default

#: For a consumer that looks something up while partitions wait.
LOOK_UP_BACKOFF_MS: Final = 10


@dataclass(frozen=True, slots=True)
class Rests:
    """How a reader lets the other threads of its process run.

    Attributes:
        num_records: after which it rests; None: it never does.
        pause_s: how long.
    """

    num_records: int | None = None
    pause_s: float = 0.0


NO_RESTS: Final = Rests()

Fetched: TypeAlias = "dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]"


class Consumer(AIOKafkaConsumer):
    """A consumer that names the record which it cannot read, and none of whose background tasks dies unheard."""

    async def start(self) -> None:
        """Connect, and watch the tasks."""
        with closing_connections():
            await super().start()
        watch_tasks(self, "consumer")

    async def stop(self) -> None:
        """Disconnect."""
        await stop_all(self, self._client, super().stop())

    async def getmany(self, *partitions: TopicPartition, **limits: int | None) -> "Fetched":
        """Fetch records.

        Raises:
            ContractError: a record is damaged, or compressed in an unknown codec.
        """
        with naming_unreadable(self):
            fetched: Fetched = await super().getmany(*partitions, **limits)
            return fetched


def create_consumer(
    connection: Connection,
    *,
    group_id: str | None = None,
    auto_offset_reset: str = "earliest",
    isolation_level: str = "read_committed",
    fetch_max_wait_ms: int = 500,
    max_partition_fetch_bytes: int = 1 << 20,
    retry_backoff_ms: int = 100,
) -> AIOKafkaConsumer:
    """Create a consumer without partitions; the caller assigns them.

    Args:
        connection: to Kafka.
        group_id: the group whose offsets it may commit; it does not join that group.
        auto_offset_reset: where it continues if its offset does not exist: `earliest`, `latest`, or `none` to raise an
            error.
        isolation_level: `read_uncommitted` includes the records of open transactions.
        fetch_max_wait_ms: how long the broker may wait for records; other requests to that broker wait behind it.
        max_partition_fetch_bytes: the most one response holds of one partition.
        retry_backoff_ms: how long it waits before it repeats a request, and before its first one for a topic, because
            it does not know the leaders yet.
    """
    return Consumer(
        **connection.client_options(),
        group_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset=auto_offset_reset,
        isolation_level=isolation_level,
        fetch_max_wait_ms=fetch_max_wait_ms,
        max_partition_fetch_bytes=max_partition_fetch_bytes,
        retry_backoff_ms=retry_backoff_ms,
    )


def create_group_member(
    connection: Connection, *, group_id: str, assignor: object, **timing: object
) -> AIOKafkaConsumer:
    """Create a consumer that joins a group once it subscribes to topics, and never commits by itself.

    Args:
        connection: to Kafka.
        group_id: the group.
        assignor: distributes the partitions among the members.
        timing: further arguments of aiokafka's consumer.
    """
    return Consumer(
        **connection.client_options(),
        group_id=group_id,
        partition_assignment_strategy=[assignor],
        enable_auto_commit=False,
        isolation_level="read_committed",
        **timing,
    )


async def read_backlog(
    connection: Connection, topic: str, partitions: Sequence[int]
) -> "AsyncGenerator[ConsumerRecord[bytes, bytes], None]":
    """Yield the committed records of some partitions up to their current ends, in order within each partition."""
    async with running(create_consumer(connection)) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in partitions])
    async with aclosing(read_until(connection, ends)) as records:
        async for record in records:
            yield record


async def read_until(
    connection: Connection,
    ends: Mapping[TopicPartition, int],
    *,
    starts: Mapping[TopicPartition, int] = EVERYTHING,
    rests: Rests = NO_RESTS,
) -> "AsyncGenerator[ConsumerRecord[bytes, bytes], None]":
    """Yield the committed records before the ends, partition by partition; wait for transactions still open there.

    Args:
        connection: to Kafka.
        ends: of the partitions to read.
        starts: where to begin; partitions that are absent are read from their beginning.
        rests: of the reader.
    """
    async with running(create_consumer(connection)) as consumer:
        consumer.assign(list(ends))
        for partition in ends.keys() & starts.keys():
            consumer.seek(partition, starts[partition])
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                fetched = await consumer.getmany(partition, timeout_ms=1000, max_records=rests.num_records)
                for record in fetched.get(partition, ()):
                    if record.offset < end:
                        yield record
                if rests.num_records:
                    await asyncio.sleep(rests.pause_s)
