"""Who owns what, as a coordinator says it, or does not."""

import psutil
import pytest

from streamer.errors import KafkaUnavailableError
from streamer.kafka.connection import Connection
from streamer.kafka.groups import Group
from streamer.local.devkafka import DevKafka
from streamer.queries.owners import Owners
from tests.onkafka import create_topic
from tests.until import until, until_awaited


async def test_kafka_is_asked_at_most_once_a_second_and_its_silence_is_said() -> None:
    now_s = 0.0
    owners = Owners(Connection(("no.such.host.invalid:9092",)), "group", "plays", "states", clock=lambda: now_s)
    owners.note(Group(is_moving=False, members=()))

    now_s = 0.9
    assert not (await owners.look()).is_moving
    now_s = 1.0
    for _ in range(2):
        with pytest.raises(KafkaUnavailableError, match=r"Kafka does not say who owns which partition: .*; ask again"):
            await owners.look()
    await owners.close()


@pytest.mark.kafka
async def test_a_group_without_members_moves_and_whoever_asks_no_more_is_disconnected(
    kafka: DevKafka, topic_prefix: str
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    owners = Owners(kafka.connection, topic_prefix, topic_prefix, "states", idle_s=0.2)

    async def is_told() -> bool:
        try:
            ownership = await owners.look()
        except KafkaUnavailableError:  # a new broker has no coordinator yet
            return False
        return (ownership.is_moving, ownership.peers, ownership.owner(0)) == (True, (), None)

    await until_awaited(is_told, "the group is known to be without members")
    await until(lambda: not connected_to(kafka), "it is disconnected")
    owners.forget()
    assert await is_told()
    assert connected_to(kafka)
    await owners.close()
    assert not connected_to(kafka)


def connected_to(kafka: DevKafka) -> bool:
    port = int(kafka.bootstrap_servers.rpartition(":")[2])
    ours = psutil.Process().net_connections("tcp")
    return any(each.raddr and each.raddr.port == port and each.status == "ESTABLISHED" for each in ours)
