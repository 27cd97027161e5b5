"""A fence's transaction over a network that fails: it is written once, whatever was lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiokafka.errors import ProducerFenced

from streamer.kafka.connection import Connection
from streamer.kafka.fences import Fences
from streamer.kafka.producers import MAX_BATCH_BYTES
from streamer.kafka.transaction import Record, Records, fit, write
from streamer.local.devkafka import DevKafka
from tests.faults.proxy import Api, Proxy
from tests.onkafka import create_topic, read_committed

pytestmark = pytest.mark.kafka

REQUESTS = (Api.ADD_PARTITIONS_TO_TXN, Api.PRODUCE, Api.END_TXN)
CUTS = pytest.mark.parametrize("cut", [Proxy.cut_before, Proxy.cut_after], ids=["before", "after"])


@dataclass(frozen=True)
class Place:
    """The fence of partition 0, which has written a record, behind a proxy."""

    kafka: DevKafka
    fences: Fences
    topic: str

    async def write(self, value: bytes) -> int:
        """Write a record in a transaction, and return the offset behind it."""
        batches = fit(self.topic, Records.of([Record(b"k", value)]), MAX_BATCH_BYTES)
        return (await write(self.fences.held[0], {self.topic: batches}))[self.topic]

    async def committed(self) -> list[bytes | None]:
        return [record.value for record in await read_committed(self.kafka.bootstrap_servers, self.topic)]


@pytest_asyncio.fixture
async def place(proxied_kafka: DevKafka, proxy: Proxy, topic_prefix: str) -> AsyncIterator[Place]:
    await create_topic(proxied_kafka.bootstrap_servers, topic_prefix)
    place = Place(proxied_kafka, Fences(Connection.parse(proxy.address), topic_prefix, 30.0), topic_prefix)
    await place.fences.take([0])
    await place.write(b"first")
    yield place
    await place.fences.drop()


@CUTS
@pytest.mark.parametrize("api", REQUESTS)
async def test_a_request_whose_connection_is_cut_takes_effect_once(
    api: Api, cut: Callable[..., asyncio.Event], place: Place, proxy: Proxy
) -> None:
    struck = cut(proxy, api)

    end = await place.write(b"second")

    assert struck.is_set()
    assert end == 3  # behind the first record and its marker
    assert await place.write(b"third") == 5
    assert await place.committed() == [b"first", b"second", b"third"]


@CUTS
async def test_a_fence_is_taken_though_its_connection_is_cut(
    cut: Callable[..., asyncio.Event], place: Place, proxy: Proxy
) -> None:
    struck = cut(proxy, Api.INIT_PRODUCER_ID)

    await place.fences.take([0])

    assert struck.is_set()
    await place.write(b"second")
    assert await place.committed() == [b"first", b"second"]


@pytest.mark.parametrize("cut_off", [Proxy.refuse, Proxy.swallow], ids=["refused", "swallowed"])
async def test_a_transaction_waits_until_the_network_is_back(
    cut_off: Callable[[Proxy], Awaitable[None]], place: Place, proxy: Proxy
) -> None:
    await cut_off(proxy)
    writing = asyncio.create_task(place.write(b"second"))
    assert await place.committed() == [b"first"]

    await proxy.heal()

    assert await writing == 3
    assert await place.committed() == [b"first", b"second"]


async def test_a_producer_replaced_while_it_was_out_of_reach_writes_nothing(place: Place, proxy: Proxy) -> None:
    await proxy.swallow()
    writing = asyncio.create_task(place.write(b"late"))
    successor = Fences(place.kafka.connection, place.topic, 30.0)
    await successor.take([0])

    await proxy.heal()

    with pytest.raises(ProducerFenced):
        await writing
    await successor.drop()
    assert await place.committed() == [b"first"]
