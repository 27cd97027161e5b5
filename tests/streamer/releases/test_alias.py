"""Aliases, on a real broker."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamer.local.devkafka import DevKafka
from streamer.releases.alias import answered, find_champions, find_moves, move_alias
from streamer.wire.messages import ReleaseNotice

pytestmark = pytest.mark.kafka

OLD, NEW = (ReleaseNotice(name, f"file:///releases/{name}", "0" * 64) for name in ("r1", "r2"))


@pytest.fixture
async def topic(kafka: DevKafka, topic_prefix: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic_prefix, 1, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    return topic_prefix


@pytest.mark.parametrize("value", [None, b"not json", b'{"release_id": "\xff"}'])
async def test_a_withdrawn_or_unreadable_alias_leaves_the_champions_before_it(
    kafka: DevKafka, topic: str, value: bytes | None
) -> None:
    await move_alias(kafka.connection, topic, OLD)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(topic, value, b"champion", partition=0)

    assert await find_champions(kafka.connection, topic) == [OLD]


@pytest.mark.parametrize(
    ("moves", "champions"),
    [
        ([], []),
        ([OLD, NEW], [OLD, NEW]),
        ([OLD, OLD], [OLD]),
        ([OLD, NEW, OLD], [OLD]),  # promoting an older one withdraws the newer
        ([NEW, OLD], [OLD]),
        ([OLD, NEW, OLD, NEW], [OLD, NEW]),
    ],
)
async def test_the_champions_are_those_a_rollback_goes_through(
    kafka: DevKafka, topic: str, moves: list[ReleaseNotice], champions: list[ReleaseNotice]
) -> None:
    for notice in moves:
        await move_alias(kafka.connection, topic, notice)
    await move_alias(kafka.connection, topic, NEW, b"challenger")

    assert await find_champions(kafka.connection, topic) == champions


async def test_each_release_answered_until_the_next(kafka: DevKafka, topic: str) -> None:
    for notice in (OLD, NEW, OLD, OLD):
        await move_alias(kafka.connection, topic, notice)

    moves = await find_moves(kafka.connection, topic)

    assert [move.notice for move in moves] == [OLD, NEW, OLD, OLD]
    assert answered(moves) == {"r1": (moves[2].at_ms, None), "r2": (moves[1].at_ms, moves[2].at_ms)}
    assert answered([]) == {}
