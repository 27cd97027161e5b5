"""Re-sending letters on a real broker: each once, to its partition, in order."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from streamer.kafka.clients import running
from streamer.kafka.partitioner import PARTITIONERS
from streamer.operations import redelivery
from streamer.operations.letters import RecordId
from streamer.operations.redelivery import Choice, Dispatch, send_again
from streamer.wire.messages import MAX_DEAD_VALUE_BYTES, Cause
from tests.streamer.operations.conftest import NUM_PARTITIONS, Office

pytestmark = pytest.mark.kafka

ALL = Choice()


def outcome(dispatch: Dispatch) -> tuple[int, int, int]:
    """Return how many letters were sent, had been sent before, and cannot be sent."""
    return dispatch.num_sent, dispatch.num_sent_before, dispatch.refused.total()


async def test_letters_return_unchanged_in_order_to_where_they_came_from(office: Office) -> None:
    received = {
        number: [(b"u", f"{number} {i}".encode()) for i in range(5)] + [(b"\xff", None), (b"", b"\xff\0")]
        for number in range(NUM_PARTITIONS)
    }
    for place in range(7):
        for number in received:
            await office.refuse(*received[number][place], partition=number)

    dispatch = await send_again(office.settings, ALL)

    assert outcome(dispatch) == (21, 0, 0)
    assert {number: await office.plays(number) for number in received} == received


async def test_each_letter_is_sent_once_however_it_is_chosen(office: Office) -> None:
    places = [
        await office.refuse(b"u", b"%d" % number, cause=cause)
        for number, cause in enumerate([Cause.NOT_JSON, Cause.STRAY_PARTITION, Cause.NOT_JSON, Cause.WRONG_TYPE])
    ]

    by_name = await send_again(office.settings, Choice(places=[places[2]]))
    by_cause = await send_again(office.settings, Choice(causes=[Cause.NOT_JSON]))
    rest = await send_again(office.settings, ALL)
    later = await office.refuse(b"u", b"4")
    last = await send_again(office.settings, Choice(places=[places[0], later]))

    assert [outcome(each) for each in (by_name, by_cause, rest, last)] == [(1, 0, 0), (1, 1, 0), (2, 2, 0), (1, 1, 0)]
    assert [value for _, value in await office.plays()] == [b"2", b"0", b"1", b"3", b"4"]


async def test_letters_that_cannot_be_sent_are_counted_by_reason(office: Office) -> None:
    await office.refuse(b"u", b"v" * (MAX_DEAD_VALUE_BYTES + 1))
    await office.refuse(b"k" * 2000, b"{")
    await office.refuse(None, b"{}")
    await office.refuse(b"u", b"{", source_topic="another")

    dispatch = await send_again(office.settings, Choice(causes=[Cause.IMPOSSIBLE_TIME]))

    assert outcome(dispatch) == (0, 0, 4)
    assert sorted(dispatch.refused.values()) == [1, 1, 2]
    assert await office.plays() == []


async def test_a_letter_named_that_does_not_exist_is_missing(office: Office) -> None:
    place = await office.refuse(b"u", b"{")

    dispatch = await send_again(office.settings, Choice(places=[place, RecordId(2, 9)]))

    assert (dispatch.num_sent, dispatch.missing) == (1, {RecordId(2, 9)})


async def test_strays_go_where_the_partitioner_of_the_settings_says(office: Office) -> None:
    users = [b"u%d" % number for number in range(12)]
    for user in users:
        await office.refuse(user, b"{}", cause=Cause.STRAY_PARTITION, partition=1)

    await send_again(office.settings.model_copy(update={"partitioner": "crc32"}), ALL)

    for number in range(NUM_PARTITIONS):
        home = [user for user in users if PARTITIONERS["crc32"](user, NUM_PARTITIONS) == number]
        assert [key for key, _ in await office.plays(number)] == home


async def test_a_portion_that_fails_is_sent_whole_next_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redelivery, "_PORTION", 2)
    for number in range(5):
        await office.refuse(b"u", b"%d" % number)
    send = AIOKafkaProducer.send

    async def send_until_fenced(
        self: AIOKafkaProducer, topic: str, value: bytes, *rest: object, **more: object
    ) -> object:
        if value == b"3":  # another sender starts in the middle of the second portion
            rival = office.settings.model_copy()
            monkeypatch.setattr(AIOKafkaProducer, "send", send)
            async with running(redelivery._create_fence(rival)):
                pass
        return await send(self, topic, value, *rest, **more)

    monkeypatch.setattr(AIOKafkaProducer, "send", send_until_fenced)

    with pytest.raises(ProducerFenced):
        await send_again(office.settings, ALL)
    dispatch = await send_again(office.settings, ALL)

    assert outcome(dispatch) == (3, 2, 0)
    assert [value for _, value in await office.plays()] == [b"0", b"1", b"2", b"3", b"4"]
