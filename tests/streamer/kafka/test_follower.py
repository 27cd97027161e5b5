from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.follower import Follower, Portion, from_the_beginning
from streamer.kafka.topic_identity import IdentityRequest, TopicIdentity, read_identity
from streamer.local.devkafka import DevKafka
from tests.onkafka import admin_of, create_topic
from tests.until import until_awaited

pytestmark = pytest.mark.kafka


async def write(kafka: DevKafka, topic: str, *values: bytes, partition: int = 0) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=partition)


@asynccontextmanager
async def following(
    kafka: DevKafka, topic: str, places: Mapping[int, int], check_s: float = 0.2
) -> AsyncIterator[AsyncIterator[Portion]]:
    async def places_in(_: TopicIdentity) -> Mapping[int, int]:
        return places

    follower = Follower(kafka.connection, topic, max_records=2, check_s=check_s)
    async with aclosing(follower.portions(places_in)) as portions:
        yield portions


async def read_to(portions: AsyncIterator[Portion], last: bytes) -> tuple[list[bool], list[bytes | None]]:
    """Read until a value comes; return at which portions reading began anew, and the values."""
    anew, values = list[bool](), list[bytes | None]()
    async for portion in portions:
        anew.append(portion.is_anew)
        values += [record.value for record in portion.records]
        assert len(portion.records) <= 2
        if last in values:
            break
    return anew, values


async def test_a_topic_is_followed_from_its_beginning_or_from_a_place(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    await write(kafka, topic_prefix, b"a", b"b", b"c")

    async with following(kafka, topic_prefix, {}) as portions:
        anew, values = await read_to(portions, b"c")
        assert (anew[0], any(anew[1:]), values) == (True, False, [b"a", b"b", b"c"])
        await write(kafka, topic_prefix, b"d", partition=1)
        anew, values = await read_to(portions, b"d")
        assert (any(anew), values) == (False, [b"d"])

    for places, begins_anew, expected in (
        ({0: 2, 1: 0}, False, [b"c", b"d"]), ({0: 2}, True, [b"a", b"b", b"c", b"d"]),
        ({0: 9, 1: 0}, True, [b"a", b"b", b"c", b"d"]),
    ):  # fmt: skip
        async with following(kafka, topic_prefix, places) as portions:
            read = list[bytes | None]()
            async for portion in portions:
                is_first = not read
                read += [record.value for record in portion.records]
                if is_first:
                    assert portion.is_anew == begins_anew
                if portion.is_current:
                    break
        assert sorted(each for each in read if each) == expected
        assert portion.places == {0: 3, 1: 1}


@pytest.mark.parametrize(("num_records", "check_s"), [(1, 1000.0), (3, 0.2)], ids=["shorter", "longer"])
async def test_a_topic_that_is_recreated_is_read_anew(
    kafka: DevKafka, topic_prefix: str, num_records: int, check_s: float
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    await write(kafka, topic_prefix, b"a", b"b")
    async with following(kafka, topic_prefix, {}, check_s) as portions:
        await read_to(portions, b"b")
        await recreate(kafka, topic_prefix)
        written = [b"c", b"d", b"e"][-num_records:]
        await write(kafka, topic_prefix, *written)

        values = list[bytes | None]()
        async for portion in portions:  # what is read before it is noticed is void
            values = [*([] if portion.is_anew else values), *(record.value for record in portion.records)]
            if values == written:
                break


async def test_a_topic_that_lost_records_that_were_not_read_is_read_anew(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    await write(kafka, topic_prefix, b"a", b"b", b"c", b"d")
    async with admin_of(kafka.bootstrap_servers) as admin:
        await admin.delete_records({TopicPartition(topic_prefix, 0): RecordsToDelete(3)})

    async with following(kafka, topic_prefix, {0: 2}) as portions:
        anew, values = await read_to(portions, b"d")
        assert (anew[0], values) == (True, [b"d"])


async def recreate(kafka: DevKafka, topic: str) -> None:
    async with KafkaAdmin(kafka.connection) as admin:

        async def is_gone() -> bool:
            return await admin.find_identity(topic) is None

        await admin.delete_topics([topic])
        await until_awaited(is_gone, f"{topic} is deleted")
    await create_topic(kafka.bootstrap_servers, topic)


async def test_a_topic_that_is_missing_is_a_contract_broken(kafka: DevKafka, topic_prefix: str) -> None:
    with pytest.raises(ContractError, match="was deleted"):
        await anext(Follower(kafka.connection, topic_prefix, max_records=2).portions(from_the_beginning))


async def test_a_broker_that_knows_no_ids_says_how_many_partitions_there_are(
    kafka: DevKafka, topic_prefix: str
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix, 3)
    async with KafkaAdmin(kafka.connection) as admin:
        known = await admin.find_identity(topic_prefix)
        response = await admin._client._send_request(OldRequest(topic_prefix))

    assert known is not None
    assert (len(known.topic_id), known.num_partitions) == (32, 3)
    assert read_identity(response) == TopicIdentity("", 3)


class OldRequest(IdentityRequest):
    """Asks as if the broker was of a version before ids."""

    def prepare(self, versions: dict[int, tuple[int, int]]) -> object:
        return IdentityRequest.prepare(self, {**versions, 3: (0, 9)})
