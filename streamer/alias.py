"""The aliases on `releases`: which release is champion, and how another becomes it."""

import logging
from contextlib import aclosing
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer

from streamer.backlog import read_backlog
from streamer.events import ReleaseNotice

logger = logging.getLogger(__name__)

CHAMPION: Final = b"champion"


async def find_release(bootstrap_servers: str, topic: str, alias: bytes = CHAMPION) -> ReleaseNotice | None:
    """Read which release stands under an alias; None if none does, or its notice cannot be read."""
    newest: bytes | None = None
    async with aclosing(read_backlog(bootstrap_servers, topic, [0])) as records:
        async for record in records:
            newest = record.value if record.key == alias else newest
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
