"""The proxy and the three brokers behave as the scenarios assume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from streamer.local.devkafka import DevKafka
from tests.faults.brokers import ThreeBrokers
from tests.faults.proxy import Api, Proxy
from tests.onkafka import admin_of, create_topic, read_committed

IN_A_TRANSACTION = (Api.INIT_PRODUCER_ID, Api.ADD_PARTITIONS_TO_TXN, Api.PRODUCE, Api.END_TXN)


@asynccontextmanager
async def producer_behind(proxy: Proxy, transactional_id: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=proxy.address, transactional_id=transactional_id) as producer:
        yield producer


async def commit(producer: AIOKafkaProducer, topic: str, value: bytes) -> None:
    async with producer.transaction():
        await producer.send_and_wait(topic, value, partition=0)


async def committed(kafka: DevKafka, topic: str) -> list[bytes]:
    return [record.value for record in await read_committed(kafka.bootstrap_servers, topic)]


@pytest.mark.kafka
async def test_what_passes_the_proxy_arrives(proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str) -> None:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)

    async with producer_behind(proxy, topic_prefix) as producer:
        await commit(producer, topic_prefix, b"x" * 500_000)

    assert await committed(proxied_kafka, topic_prefix) == [b"x" * 500_000]


@pytest.mark.kafka
async def test_a_delay_applies_in_each_direction_and_once_to_messages_sent_together(
    proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str
) -> None:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)
    async with AIOKafkaProducer(bootstrap_servers=proxy.address) as producer:
        await producer.send_and_wait(topic_prefix, b"known", partition=0)

        proxy.delay_s = 0.2
        began_s = time.monotonic()
        await producer.send_and_wait(topic_prefix, b"slow", partition=0)
        one_s = time.monotonic() - began_s
        await asyncio.gather(*[producer.client.fetch_all_metadata() for _ in range(10)])
        ten_s = time.monotonic() - began_s - one_s

    assert one_s >= 0.4
    assert ten_s < 10 * 0.4


@pytest.mark.kafka
@pytest.mark.parametrize("api", IN_A_TRANSACTION)
async def test_a_cut_before_the_broker_hits_the_chosen_request(
    api: Api, proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str
) -> None:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)

    cut = proxy.cut_before(api)
    async with producer_behind(proxy, topic_prefix) as producer:
        assert cut.is_set() == (api == Api.INIT_PRODUCER_ID)
        await commit(producer, topic_prefix, b"value")
        assert cut.is_set()

    assert await committed(proxied_kafka, topic_prefix) == [b"value"]


@pytest.mark.kafka
async def test_the_broker_has_handled_a_request_cut_after_it_and_not_one_cut_before_it(
    proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str
) -> None:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)
    async with producer_behind(proxy, topic_prefix) as producer:
        await commit(producer, topic_prefix, b"first")
        num_committed = []

        for cut in (proxy.cut_before, proxy.cut_after):
            struck = cut(Api.END_TXN, nth=2)
            await commit(producer, topic_prefix, b"passes")
            ending = asyncio.create_task(commit(producer, topic_prefix, b"cut"))
            await struck.wait()
            await proxy.refuse()
            num_committed.append(len(await committed(proxied_kafka, topic_prefix)))
            await proxy.heal()
            await ending

    assert num_committed == [2, 5]
    assert len(await committed(proxied_kafka, topic_prefix)) == 5


@pytest.mark.kafka
async def test_a_proxy_that_refuses_accepts_no_connection_until_it_heals(
    proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str
) -> None:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)
    async with producer_behind(proxy, topic_prefix) as producer:
        await proxy.refuse()
        sending = asyncio.create_task(commit(producer, topic_prefix, b"value"))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*proxy.address.split(":"))

        await proxy.heal()
        await sending

    assert await committed(proxied_kafka, topic_prefix) == [b"value"]


@pytest.mark.kafka
async def test_swallowed_messages_arrive_when_the_network_is_back(
    proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str
) -> None:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)
    async with producer_behind(proxy, topic_prefix) as producer:
        await proxy.swallow()
        sending = asyncio.create_task(commit(producer, topic_prefix, b"value"))
        seen = await committed(proxied_kafka, topic_prefix)
        assert not sending.done()

        await proxy.heal()
        await sending

    assert seen == []
    assert await committed(proxied_kafka, topic_prefix) == [b"value"]


@pytest.mark.faults
@pytest.mark.slow
async def test_what_three_brokers_acknowledged_survives_the_loss_of_each(tmp_path: Path) -> None:
    with ThreeBrokers(tmp_path) as brokers:
        async with admin_of(brokers.bootstrap_servers) as admin:
            await admin.create_topics([NewTopic("plays", num_partitions=1, replication_factor=3)])
        await brokers.in_sync("plays")
        async with AIOKafkaProducer(bootstrap_servers=brokers.bootstrap_servers, enable_idempotence=True) as producer:
            sent = []
            for _ in range(2):
                killed = await brokers.leader_of("plays", 0)
                sent += [f"{killed} {number}".encode() for number in range(50)]
                for value in sent[-50:]:
                    await producer.send_and_wait("plays", value, partition=0)

                await asyncio.to_thread(brokers.kill, killed)
                await producer.send_and_wait("plays", sent[-1], partition=0)
                sent.append(sent[-1])
                await brokers.led_by_another("plays", than=killed)
                await asyncio.to_thread(brokers.start, killed)
                await brokers.in_sync("plays")

        assert [record.value for record in await read_committed(brokers.bootstrap_servers, "plays")] == sent
