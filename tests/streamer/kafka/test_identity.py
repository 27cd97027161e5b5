"""Two members with one identity: one that was replaced exits, one that was away too long rejoins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetCommitResponse_v3
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, SyncGroupRequest, SyncGroupResponse_v3

from streamer.kafka import identity
from streamer.kafka.identity import IdentityWatch
from streamer.local.devkafka import DevKafka
from tests.onkafka import create_topic
from tests.until import until, until_awaited

HEARTBEAT = HeartbeatRequest("group", 1, "member")
COMMIT = OffsetCommitRequest("group", 1, "member", -1, [])
SYNC = SyncGroupRequest("group", 1, "member", "a", [])
UNKNOWN = UnknownMemberIdError.errno
WITHIN_S = 30


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record each crash, since a real one would end the test run too."""
    reasons: list[str] = []
    monkeypatch.setattr(identity, "crash", reasons.append)
    return reasons


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def heartbeat_answer(error: int) -> HeartbeatResponse_v1:
    return HeartbeatResponse_v1(0, error)


def commit_answer(error: int) -> OffsetCommitResponse_v3:
    return OffsetCommitResponse_v3(0, [("plays", [(0, 0), (1, error)])])


@pytest.mark.parametrize(
    ("request_", "answer"), [(HEARTBEAT, heartbeat_answer(UNKNOWN)), (COMMIT, commit_answer(UNKNOWN))]
)
def test_a_member_unknown_soon_after_it_was_known_was_replaced(
    request_: object, answer: object, crashes: list[str]
) -> None:
    clock = Clock()
    watch = IdentityWatch("a", 10.0, clock)

    watch.look(SYNC, SyncGroupResponse_v3(0, 0, b""), clock())
    clock.now_s += 9
    watch.look(request_, answer, clock())

    (reason,) = crashes
    assert reason.startswith("another process has joined as a;")


def test_commits_of_a_member_that_is_rejoining_prove_nothing(crashes: list[str]) -> None:
    clock = Clock()
    watch = IdentityWatch("a", 10.0, clock)

    watch.look(HEARTBEAT, heartbeat_answer(0), clock())
    watch.look(OffsetCommitRequest("group", -1, "", -1, []), commit_answer(UNKNOWN), clock())

    assert crashes == []


def test_a_member_unknown_after_a_session_without_heartbeats_rejoins(crashes: list[str]) -> None:
    clock = Clock()
    watch = IdentityWatch("a", 10.0, clock)

    watch.look(HEARTBEAT, heartbeat_answer(UNKNOWN), clock())  # never known: an earlier session of its own
    watch.look(HEARTBEAT, heartbeat_answer(0), clock())
    clock.now_s += 11  # sent in time, answered late
    watch.look(HEARTBEAT, heartbeat_answer(UNKNOWN), clock() - 5)

    assert crashes == []


@pytest.mark.parametrize("error", [0, RebalanceInProgressError.errno, IllegalGenerationError.errno])
def test_a_member_whose_group_is_rebalancing_continues(error: int, crashes: list[str]) -> None:
    clock = Clock()
    watch = IdentityWatch("a", 10.0, clock)

    for request, answer in [(HEARTBEAT, heartbeat_answer(0)), (HEARTBEAT, heartbeat_answer(error)),
                            (COMMIT, commit_answer(error))]:  # fmt: skip
        watch.look(request, answer, clock())

    assert crashes == []


@asynccontextmanager
async def member(kafka: DevKafka, group: str, watch: IdentityWatch | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=group, group_instance_id="a", heartbeat_interval_ms=200
    )
    await consumer.start()
    try:
        if watch is not None:
            watch.install(consumer)
        consumer.subscribe([group])
        await until_awaited(lambda: _is_assigned(consumer), "the member is assigned partitions", deadline_s=WITHIN_S)
        yield consumer
    finally:
        await consumer.stop()


async def _is_assigned(consumer: AIOKafkaConsumer) -> bool:
    await consumer.getmany(timeout_ms=50)
    return bool(consumer.assignment())


@pytest.mark.kafka
async def test_kafka_answers_the_older_of_two_that_it_is_unknown(
    kafka: DevKafka, topic_prefix: str, crashes: list[str]
) -> None:
    await create_topic(kafka.bootstrap_servers, topic_prefix)

    async with member(kafka, topic_prefix, IdentityWatch("a", 10.0)), member(kafka, topic_prefix):
        await until(lambda: crashes, "the older one crashes", deadline_s=WITHIN_S)

    assert crashes[0].startswith("another process has joined as a;")
