import asyncio
import logging
from dataclasses import dataclass

import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.errors import ContractError
from streamer.kafka import contact as contact_module
from streamer.kafka.connection import Connection
from streamer.kafka.contact import LOST_AFTER_S, Contact
from streamer.local.devkafka import DevKafka
from tests.cases.observations import Observe
from tests.onkafka import create_topic, delete_topic
from tests.until import until

LEADERS = {0: 1, 1: 1}
REFUSED = KafkaConnectionError("Unable to bootstrap")


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def contact(clock: Clock) -> Contact:
    return Contact(Connection(("127.0.0.1:9092",)), "plays", clock)


def fail_for(contact: Contact, clock: Clock, seconds: float) -> None:
    for _ in range(int(seconds / 2)):
        clock.now_s += 2
        contact.note_failure(REFUSED)


def test_contact_is_lost_after_ten_seconds_and_said_once(
    contact: Contact, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    contact.note_answer(LEADERS)
    fail_for(contact, clock, LOST_AFTER_S - 2)
    assert contact.complaint() == ""
    assert contact.reaches(0)

    fail_for(contact, clock, 20)

    assert contact.is_lost
    assert not contact.reaches(0)
    assert contact.unreachable_s == 28
    assert contact.complaint() == "Kafka has not answered for 28 s"
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka unreachable: Kafka has not answered for 10 s (KafkaConnectionError: Unable to bootstrap); waiting for it"
    ]


def test_an_answer_ends_the_outage_and_says_how_long_it_was(
    contact: Contact, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail_for(contact, clock, 20)

    contact.note_answer(LEADERS)

    assert contact.unreachable_s == 0
    assert not contact.complaint()
    assert caplog.records[-1].getMessage() == "Kafka answers again: after 20 s"


def test_one_late_answer_is_no_outage(contact: Contact, clock: Clock) -> None:
    clock.now_s += 60  # a loop that stood still
    contact.note_failure(REFUSED)

    assert not contact.is_lost


def test_a_partition_without_a_leader_is_named_and_the_others_are_reached(contact: Contact, clock: Clock) -> None:
    for _ in range(8):
        clock.now_s += 2
        contact.note_answer({0: 1, 1: -1})

    assert contact.complaint() == "partitions [1] of plays have had no leader for 16 s"
    assert contact.reaches(0)
    assert not contact.reaches(1)
    assert not contact.is_lost


def test_a_topic_that_is_missing_for_a_moment_was_not_deleted(contact: Contact) -> None:
    contact.note_answer(None)
    contact.note_answer(None)
    contact.note_answer(LEADERS)
    contact.note_answer(None)
    contact.note_answer(None)

    with pytest.raises(ContractError, match="the topic plays was deleted"):
        contact.note_answer(None)


@pytest.mark.kafka
@pytest.mark.kind(4)
async def test_a_topic_deleted_on_a_real_broker_is_noticed(
    kafka: DevKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, observe: Observe
) -> None:
    monkeypatch.setattr(contact_module, "_PERIOD_S", 0.05)
    await create_topic(kafka.bootstrap_servers, topic_prefix, 2)
    contact = Contact(Connection.parse(kafka.bootstrap_servers), topic_prefix)
    asking = asyncio.create_task(contact.run())
    await until(lambda: contact.num_answers > 1, "the broker has answered")
    assert not contact.complaint()

    await delete_topic(kafka.bootstrap_servers, topic_prefix)

    with pytest.raises(ContractError) as refused:
        await asyncio.wait_for(asking, 30)
    observe(str(refused.value).replace(topic_prefix, "plays"))


@pytest.mark.kafka
async def test_a_broker_that_refuses_connections_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "aiokafka")
    contact = Contact(Connection(("127.0.0.1:9",)), "plays")
    asking = asyncio.create_task(contact.run())

    await until(lambda: contact.unreachable_s > 0, "an attempt has failed")

    assert not asking.done()
    asking.cancel()
