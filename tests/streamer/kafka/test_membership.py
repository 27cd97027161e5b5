import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import GroupAuthorizationFailedError, InvalidSessionTimeoutError, UnknownError

from streamer.errors import ContractError
from streamer.kafka import membership as module
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_group_member
from streamer.kafka.membership import Membership
from streamer.local.devkafka import DevKafka
from tests.cases.observations import Observe
from tests.onkafka import create_topic
from tests.until import until


class EndedError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def membership(monkeypatch: pytest.MonkeyPatch) -> Membership:
    def refuse(cause: ContractError) -> None:
        raise EndedError(f"refused: {cause}")

    def crash(reason: str, cause: BaseException) -> None:
        raise EndedError(f"crash: {reason}") from cause

    monkeypatch.setattr(module, "refuse", refuse)
    monkeypatch.setattr(module, "crash", crash)
    return Membership(Connection(("127.0.0.1:9092",)), "refrain", 5.0)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InvalidSessionTimeoutError(), "refused: REFRAIN_SESSION_TIMEOUT_S=5 is outside what the brokers allow"),
        (GroupAuthorizationFailedError("refrain"), "refused: .*group"),
        (UnknownError(), "crash: the consumer cannot take part in the group refrain"),
    ],
)
def test_what_an_operator_must_mend_is_refused_and_the_rest_crashes(
    membership: Membership, error: Exception, says: str
) -> None:
    with pytest.raises(EndedError, match=says):
        membership.end(error)


@pytest.mark.kafka
@pytest.mark.kind(3)
async def test_a_member_waits_while_others_hold_its_group_and_joins_when_they_leave(
    kafka: DevKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture, observe: Observe
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)
    connection = Connection.parse(kafka.bootstrap_servers)
    membership = Membership(connection, topic_prefix, 10.0)
    member = create_group_member(connection, group_id=topic_prefix, assignor=RoundRobinPartitionAssignor)
    others = AIOKafkaConsumer(
        topic_prefix,
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=topic_prefix,
        partition_assignment_strategy=[RangePartitionAssignor],
        client_id="console-consumer",
    )

    async with running(member):
        async with running(others):
            membership.install(member)
            member.subscribe([topic_prefix])
            await until(lambda: membership.is_taken, "it is kept out")
            assert membership.complaint() == f"the consumer group {topic_prefix} is taken by others"
            await until(lambda: "is taken by console-consumer at 127.0.0.1" in caplog.text, "the log names them")
        await until(member.assignment, "it has joined")

    membership.note_joined()
    assert not membership.complaint()
    observe("kept out by a console consumer, which the log names; joined after it had left")
