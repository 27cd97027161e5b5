"""Forgetting a listener by hand: a tombstone on the topic of plays, and the receipt of the worker that applied it.

The receipt is the request to remove the listener's letters. A worker writes it to the partition of the dead letters
that has the number of the tombstone's, in the transaction that removes state and lists: who reads it committed knows
that they are gone.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import RefrainError
from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.consumers import create_consumer
from streamer.kafka.letters import count_partitions, read_request
from streamer.kafka.producers import create_producer
from streamer.operations.homes import homes_of
from streamer.operations.shapes import ForgetReceipt
from streamer.settings import Settings
from streamer.wire.letters import ForgetHeaders, RecordId, read_headers

_CREATE_TIME: Final = 0  # Kafka's code for timestamps of the producer, here this command


class ForgettingError(RefrainError):
    """Raised when an id is none, or no worker has answered in time; the tombstone stays, and will be applied."""


async def forget(settings: Settings, user: str, limit_s: float) -> list[ForgetReceipt]:
    """Write a listener's tombstones, and wait until workers have applied them.

    Where the partitioner is not known, each partition that may be the listener's has one: in another it does nothing.

    Args:
        settings: of the deployment.
        user: the user id.
        limit_s: how long to wait for the workers.

    Raises:
        ContractError: one of the topics does not exist.
        ForgettingError: no worker could accept the id, or none has answered in time.
    """
    _refuse_impossible(user)
    connection = connection_of(settings)
    homes = homes_of(user.encode(), await count_partitions(connection, settings.plays_topic), settings.partitioner)
    await count_partitions(connection, settings.dead_letter_topic)
    async with running(create_consumer(connection)) as consumer:
        await _start_at_ends(consumer, settings.dead_letter_topic, homes)
        tombstones = await _send(settings, user, homes)
        receipts: dict[RecordId, ForgetReceipt] = {}
        try:
            async with asyncio.timeout(limit_s):
                await _collect(consumer, tombstones, receipts)
        except TimeoutError:
            missing = ", ".join(str(place) for place in tombstones if place not in receipts)
            raise ForgettingError(
                f"no worker has applied the tombstone at {missing} of {settings.plays_topic} within {limit_s:g} s: it "
                "stays there, and the next worker that runs applies it; see `refrain offsets show`, and set "
                "REFRAIN_PARTITIONER if the workers have it"
            ) from None
    return [receipts[place] for place in tombstones]


def _refuse_impossible(user: str) -> None:
    from streamer.wire.plays import decode

    now_ms = time.time_ns() // 1_000_000
    if rejects := decode([user.encode(errors="surrogateescape")], [None], [now_ms], [_CREATE_TIME]).rejects:
        raise ForgettingError(f"{user[:80]!r} is no id of a listener: {rejects[0].reason}")


async def _start_at_ends(consumer: AIOKafkaConsumer, topic: str, partitions: Collection[int]) -> None:
    """Let a consumer read what is written to some partitions from now on."""
    places = [TopicPartition(topic, number) for number in partitions]
    ends = await consumer.end_offsets(places)
    consumer.assign(places)
    for place, end in ends.items():
        consumer.seek(place, end)


async def _send(settings: Settings, user: str, homes: Collection[int]) -> Mapping[RecordId, None]:
    """Write a tombstone to each home; return their places."""
    async with running(create_producer(connection_of(settings))) as producer:
        sent = [
            await producer.send_and_wait(settings.plays_topic, None, user.encode(), partition=number)
            for number in homes
        ]
    return dict.fromkeys(RecordId(each.partition, each.offset) for each in sent)


async def _collect(
    consumer: AIOKafkaConsumer, tombstones: Collection[RecordId], receipts: dict[RecordId, ForgetReceipt]
) -> None:
    """Read until each tombstone has its receipt."""
    while len(receipts) < len(tombstones):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                headers = read_headers(record.headers, ForgetHeaders)
                if headers is None or read_request(record) is None:
                    continue
                if (place := RecordId.parse(headers.forget)) in tombstones:
                    receipt = RecordId(record.partition, record.offset)
                    receipts[place] = ForgetReceipt(str(place), str(receipt), record.timestamp)
