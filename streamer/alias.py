"""The aliases on `releases`: which release is champion, and how another becomes it."""

import logging
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamer.events import ReleaseNotice

logger = logging.getLogger(__name__)

CHAMPION: Final = b"champion"


async def find_release(bootstrap_servers: str, topic: str, alias: bytes = CHAMPION) -> ReleaseNotice | None:
    """Read which release stands under an alias; None if none does, or its notice cannot be read."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    newest: bytes | None = None
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            fetched = await consumer.getmany(partition, timeout_ms=1000)
            for record in fetched.get(partition, []):
                newest = record.value if record.key == alias else newest
    finally:
        await consumer.stop()
    return None if newest is None else _read(newest, topic)


async def move_alias(bootstrap_servers: str, topic: str, notice: ReleaseNotice, alias: bytes = CHAMPION) -> None:
    """Put a release under an alias; returns when every replica of the notice is written."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, msgspec.json.encode(notice), alias, partition=0)
    finally:
        await producer.stop()


def _read(value: bytes, topic: str) -> ReleaseNotice | None:
    try:
        return msgspec.json.decode(value, type=ReleaseNotice)
    except msgspec.DecodeError as exc:
        logger.warning("notice on %s cannot be read: %s", topic, exc)
        return None
