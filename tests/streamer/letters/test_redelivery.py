"""Re-sending letters on a real broker: each once, to its partition, in order, unless a worker would reject it again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from streamer.kafka.clients import running
from streamer.kafka.partitioner import PARTITIONERS
from streamer.letters import choosing, redelivery
from streamer.letters.choosing import EVERY_LETTER, Choice
from streamer.letters.redelivery import Dispatch, preview, send_again
from streamer.wire.letters import MAX_DEAD_VALUE_BYTES, RecordId, ResentHeaders, read_headers
from streamer.wire.messages import Cause
from tests.builders import play_value
from tests.cases.observations import Observe
from tests.office import NUM_PARTITIONS, Office
from tests.onkafka import read_committed

pytestmark = pytest.mark.kafka


def good(track: int | str, user: str = "u") -> bytes:
    return play_value(user, f"t{track}")


def outcome(dispatch: Dispatch) -> tuple[int, int, int]:
    """Return how many letters were sent, had been sent before, and cannot be sent."""
    return dispatch.num_sent, dispatch.num_sent_before, dispatch.refused.total()


async def test_letters_return_unchanged_in_order_to_where_they_came_from(office: Office) -> None:
    received = {
        number: [(b"u", good(f"{number} {i}")) for i in range(5)] + [(b"u", None), (b"u", good(1) + b" ")]
        for number in range(NUM_PARTITIONS)
    }
    for place in range(7):
        for number in received:
            await office.refuse(*received[number][place], partition=number)

    dispatch = await send_again(office.desk, EVERY_LETTER)

    assert outcome(dispatch) == (21, 0, 0)
    assert {number: await office.plays(number) for number in received} == received


async def test_each_letter_is_sent_once_however_it_is_chosen(office: Office) -> None:
    places = [
        await office.refuse(b"u", good(number), cause=cause)
        for number, cause in enumerate([Cause.UNCOMPUTABLE, Cause.STRAY_PARTITION, Cause.UNCOMPUTABLE, Cause.NOT_JSON])
    ]

    by_name = await send_again(office.desk, Choice(places=[places[2]]))
    by_cause = await send_again(office.desk, Choice(causes=[Cause.UNCOMPUTABLE]))
    rest = await send_again(office.desk, EVERY_LETTER)
    later = await office.refuse(b"u", good(4))
    last = await send_again(office.desk, Choice(places=[places[0], later]))

    assert [outcome(each) for each in (by_name, by_cause, rest, last)] == [(1, 0, 0), (1, 1, 0), (2, 2, 0), (1, 1, 0)]
    assert [value for _, value in await office.plays()] == [good(number) for number in (2, 0, 1, 3, 4)]


@pytest.mark.kind(21)
async def test_what_a_worker_would_reject_again_is_counted_by_cause_and_not_sent(
    office: Office, observe: Observe
) -> None:
    for junk in (b"{", b"nonsense", b"{}", play_value("u", "t1", 9_999_999_999_999), play_value("another", "t1")):
        await office.refuse(b"u", junk, cause=Cause.NOT_JSON)
    await office.refuse(b"u", good(1), cause=Cause.UNCOMPUTABLE)

    seen = await preview(office.desk, EVERY_LETTER)
    before = await office.plays()
    dispatches = [await send_again(office.desk, EVERY_LETTER) for _ in range(2)]

    assert before == []
    assert (outcome(seen), [outcome(each) for each in dispatches]) == ((1, 0, 5), [(1, 0, 5), (0, 1, 5)])
    assert [reason.split("(")[1].split(")")[0] for reason in sorted(seen.refused)] == [
        "impossible time",
        "key mismatch",
        "missing field",
        "not JSON",
    ]
    assert await office.plays() == [(b"u", good(1))]
    observe("of five hopeless letters and a good one, --all sends one, as its dry run says; a second run sends none")


@pytest.mark.kind(21)
async def test_a_play_that_is_rejected_again_and_again_stays_one_letter(office: Office, observe: Observe) -> None:
    await office.refuse(b"u", good(1), cause=Cause.UNCOMPUTABLE)
    times = []
    for _ in range(3):
        assert outcome(await send_again(office.desk, EVERY_LETTER)) == (1, 0, 0)
        sent = (await read_committed(office.settings.kafka_bootstrap_servers, office.settings.plays_topic, 0))[-1]
        resent = read_headers(sent.headers, ResentHeaders)
        assert resent is not None
        await office.refuse(b"u", good(1), cause=Cause.UNCOMPUTABLE, resent=resent)
        times += [(letter.headers.times_sent, letter.is_sent) for letter in await office.letters()]

    assert times == [(1, False), (2, False), (3, False)]
    observe("a play sent three times and rejected each time is one letter, which says so")


async def test_letters_that_cannot_be_sent_are_counted_by_reason(office: Office) -> None:
    await office.refuse(b"u", b"v" * (MAX_DEAD_VALUE_BYTES + 1))
    await office.refuse(b"k" * 2000, b"{")
    await office.refuse(None, b"{}")
    await office.refuse(b"u", b"{", source_topic="another")

    dispatch = await send_again(office.desk, Choice(causes=[Cause.IMPOSSIBLE_TIME]))

    assert outcome(dispatch) == (0, 0, 4)
    assert sorted(dispatch.refused.values()) == [1, 1, 2]
    assert await office.plays() == []


async def test_a_letter_named_that_does_not_exist_is_missing(office: Office) -> None:
    place = await office.refuse(b"u", good(1))

    dispatch = await send_again(office.desk, Choice(places=[place, RecordId(2, 9)]))

    assert (dispatch.num_sent, dispatch.missing) == (1, {RecordId(2, 9)})


async def test_strays_go_where_the_partitioner_of_the_settings_says(office: Office) -> None:
    users = [b"u%d" % number for number in range(12)]
    for user in users:
        await office.refuse(user, good(1, user.decode()), cause=Cause.STRAY_PARTITION, partition=1)

    await send_again(replace(office.desk, partitioner="crc32"), EVERY_LETTER)

    for number in range(NUM_PARTITIONS):
        home = [user for user in users if PARTITIONERS["crc32"](user, NUM_PARTITIONS) == number]
        assert [key for key, _ in await office.plays(number)] == home


async def test_a_portion_that_fails_is_sent_whole_next_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redelivery, "_PORTION", 2)
    for number in range(5):
        await office.refuse(b"u", good(number))
    send = AIOKafkaProducer.send

    async def send_until_fenced(
        self: AIOKafkaProducer, topic: str, value: bytes, *rest: object, **more: object
    ) -> object:
        if value == good(3):  # another sender starts in the middle of the second portion
            monkeypatch.setattr(AIOKafkaProducer, "send", send)
            async with running(await choosing.create_fence(office.desk)):
                pass
        return await send(self, topic, value, *rest, **more)

    monkeypatch.setattr(AIOKafkaProducer, "send", send_until_fenced)

    with pytest.raises(ProducerFenced):
        await send_again(office.desk, EVERY_LETTER)
    dispatch = await send_again(office.desk, EVERY_LETTER)

    assert outcome(dispatch) == (3, 2, 0)
    assert [value for _, value in await office.plays()] == [good(number) for number in range(5)]
