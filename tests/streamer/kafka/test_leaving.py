import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError, NotCoordinatorForGroupError

from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_group_member
from streamer.kafka.leaving import leave_at_the_end
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic
from tests.until import DEADLINE_S, until

pytestmark = pytest.mark.kafka


def member_of(group_id: str, kafka: DevKafka, identity: str) -> AIOKafkaConsumer:
    """Create a static member whose session outlasts the test."""
    return create_group_member(
        Connection.parse(kafka.bootstrap_servers), group_id=group_id, assignor=RoundRobinPartitionAssignor,
        group_instance_id=identity, session_timeout_ms=int(10_000 * DEADLINE_S), heartbeat_interval_ms=100,
        request_timeout_ms=int(20_000 * DEADLINE_S),
    )  # fmt: skip


async def test_the_others_get_the_partitions_of_a_static_member_that_leaves(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    leaver, other = (member_of(topic_prefix, kafka, identity) for identity in ("worker-0", "worker-1"))

    async with running(other):
        other.subscribe([topic_prefix])
        async with running(leaver):
            leave_at_the_end(leaver, "worker-0")
            leaver.subscribe([topic_prefix])
            await until(lambda: len(leaver.assignment()) == len(other.assignment()) == 1, "they share the partitions")

        await until(lambda: len(other.assignment()) == 2, "the other has both")
    assert "group left" in caplog.text


async def test_a_member_that_only_rests_stays(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    async with running(member_of(topic_prefix, kafka, "worker-0")) as member:
        leave_at_the_end(member, "worker-0")
        member.subscribe([topic_prefix])
        await until(member.assignment, "it has joined")

        await member._coordinator._maybe_leave_group()  # its heartbeat does, once nothing was fetched for too long

        assert "group left" not in caplog.text
        await until(lambda: member._coordinator.generation > 0, "it is back")


async def test_a_member_that_cannot_leave_says_so_and_stops(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: object) -> KafkaError:
        raise NotCoordinatorForGroupError

    await create_topic(kafka.bootstrap_servers, topic_prefix)
    member = member_of(topic_prefix, kafka, "worker-0")
    async with running(member):
        leave_at_the_end(member, "worker-0")
        member.subscribe([topic_prefix])
        await until(member.assignment, "it has joined")
        member._coordinator._send_req = refuse

    assert "group not left error=NotCoordinatorForGroupError" in caplog.text
