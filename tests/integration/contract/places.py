"""Partitions and records of the tests of the contract with Faust."""

from __future__ import annotations

from aiokafka import ConsumerRecord
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP

PLAYS = TP("plays", 0)
CHANGELOG = TP("refrain-listeners-changelog", 0)


def record(tp: TP, offset: int, value: bytes = b"play") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(tp.topic, tp.partition, offset, 1_700_000_000_000, 0, b"key", value, None, 3, len(value), ())


def close(consumer: Consumer) -> None:
    """Close the event loop of a consumer's thread, which was not started."""
    consumer._thread.thread_loop.close()
