import asyncio
import gc
from collections.abc import Collection

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.commits import Commit
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from tests.onkafka import admin_of, create_topic

pytestmark = pytest.mark.kafka


async def until_partitions_are(admin: KafkaAdmin, topic: str, partitions: Collection[int]) -> None:
    """Wait for a broker to learn of a change, shortly after the controller."""
    async with asyncio.timeout(20):
        while list(await admin.find_partitions(topic)) != partitions:  # noqa: ASYNC110  Kafka has no event for it
            await asyncio.sleep(0.02)


async def test_an_admin_client_that_finds_no_kafka_is_closed() -> None:
    admin = KafkaAdmin(Connection.parse(f"127.0.0.1:{free_port()}"))

    with pytest.raises(KafkaConnectionError):
        await admin.__aenter__()

    assert admin._client._closed
    del admin
    gc.collect()


async def test_a_topic_has_replicas_by_partition_and_settings(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 12, {"cleanup.policy": "compact"})

    async with KafkaAdmin(kafka.connection) as admin:
        replicas = await admin.find_partitions(topic_prefix)
        configs = await admin.read_topic_configs(topic_prefix)

    assert list(replicas.items()) == [(number, 1) for number in range(12)]
    assert configs["cleanup.policy"] == "compact"


async def test_looking_for_a_missing_topic_does_not_create_it(obliging_kafka: DevKafka, topic_prefix: str) -> None:
    async with KafkaAdmin(obliging_kafka.connection) as admin:
        assert await admin.find_partitions(topic_prefix) == {}

    async with admin_of(obliging_kafka.bootstrap_servers) as other_admin:
        assert topic_prefix not in await other_admin.list_topics()


async def test_a_topic_is_created_once_and_deleted(kafka: DevKafka, topic_prefix: str) -> None:
    async with KafkaAdmin(kafka.connection) as admin:
        assert await admin.create_topic(topic_prefix, 2, 1, {"cleanup.policy": "compact"})
        assert not await admin.create_topic(topic_prefix, 3, 1, {})
        await until_partitions_are(admin, topic_prefix, [0, 1])

        await admin.delete_topics([topic_prefix, f"{topic_prefix}.missing"])
        await until_partitions_are(admin, topic_prefix, [])


async def test_a_topic_that_kafka_rejects_is_named_with_the_reason(kafka: DevKafka) -> None:
    async with KafkaAdmin(kafka.connection) as admin:
        with pytest.raises(ContractError, match=r"topic no topic cannot be created: InvalidTopic.*create it by hand"):
            await admin.create_topic("no topic", 1, 1, {})


async def test_a_group_has_members_and_committed_offsets(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    tp = TopicPartition(topic_prefix, 1)

    async with running(create_consumer(kafka.connection, group_id=topic_prefix)) as consumer:
        consumer.assign([tp])
        await consumer.commit({tp: Commit(7, 5).write()})

    async with KafkaAdmin(kafka.connection) as admin:
        assert await admin.read_commits(topic_prefix) == {tp: Commit(7, 5)}
        assert await admin.read_commits(f"{topic_prefix}-missing") == {}
        assert await admin.count_members(topic_prefix) == 0
        assert await admin.count_members(f"{topic_prefix}-missing") == 0

        async with running(create_consumer(kafka.connection, group_id=topic_prefix)) as member:
            member.subscribe([topic_prefix])
            await member.getmany(timeout_ms=10_000)
            assert await admin.count_members(topic_prefix) == 1
