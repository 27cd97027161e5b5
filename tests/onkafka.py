"""Operations of tests on a real broker: create and delete topics, write, and read to the end."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streamer.settings import Settings
from tests.until import until_awaited

Record: TypeAlias = ConsumerRecord[bytes, bytes]


def environment_on(bootstrap_servers: str, prefix: str, **others: str) -> dict[str, str]:
    """Return the environment of processes whose group and topics begin with a prefix; `others` lack REFRAIN_."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
    topics = ("PLAYS", "SHORT_TERM", "LONG_TERM", "DEAD_LETTER", "RELEASES", "CATALOGUE")
    given = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers, "APP_ID": prefix, "REPLICATION": "1", "DEVICE": "cpu"}
    given |= {f"{topic}_TOPIC": f"{prefix}.{topic.lower()}" for topic in topics} | others
    return clean | {f"REFRAIN_{name}": value for name, value in given.items()}


@asynccontextmanager
async def admin_of(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def settings_on(bootstrap_servers: str, prefix: str, **others: Any) -> Settings:
    """Return settings of a deployment whose group and topics begin with a prefix."""
    return Settings(
        kafka_bootstrap_servers=bootstrap_servers,
        app_id=prefix,
        plays_topic=f"{prefix}.plays",
        short_term_topic=f"{prefix}.short",
        long_term_topic=f"{prefix}.long",
        dead_letter_topic=f"{prefix}.dead",
        releases_topic=f"{prefix}.releases",
        catalogue_topic=f"{prefix}.catalogue",
        **others,
    )


async def create_topic(
    bootstrap_servers: str, name: str, partitions: int = 1, configs: Mapping[str, str] | None = None
) -> None:
    async with admin_of(bootstrap_servers) as admin:
        response = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(configs or {}))])
        assert [code for _, code, *_ in response.topic_errors] == [0]
        await _until_visible(admin, name)


async def describe_topic(bootstrap_servers: str, name: str) -> tuple[int, dict[str, str]]:
    """Return the partitions and the settings of a topic."""
    async with admin_of(bootstrap_servers) as admin:
        num_partitions = await _until_visible(admin, name)
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return num_partitions, {name: text for *_, entries in response.resources for name, text, *_ in entries}


async def _until_visible(admin: AIOKafkaAdminClient, name: str) -> int:
    """Wait until the broker has learnt of a topic that its controller knows; return its partitions."""

    async def num_partitions() -> int:
        return len((await admin.describe_topics([name]))[0]["partitions"])

    return await until_awaited(num_partitions, f"the broker knows {name}", deadline_s=20, period_s=0.02)


async def delete_topic(bootstrap_servers: str, name: str) -> None:
    async with admin_of(bootstrap_servers) as admin:
        await admin.delete_topics([name])


async def produce(
    bootstrap_servers: str, topic: str, *values: bytes, key: bytes | None = b"u", timestamp_ms: int | None = None
) -> None:
    """Write to partition 0, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, key, partition=0, timestamp_ms=timestamp_ms)
    finally:
        await producer.stop()


async def read_committed(bootstrap_servers: str, topic: str, partition: int = 0) -> list[Record]:
    """Read all records that a read-committed consumer sees."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        tp, records = TopicPartition(topic, partition), list[Record]()
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        while await consumer.position(tp) < end:
            for fetched in (await consumer.getmany(tp, timeout_ms=500)).values():
                records += fetched
        return records
    finally:
        await consumer.stop()
