"""Removing the letters of forgotten listeners, on a real broker."""

from __future__ import annotations

import pytest

from streamer.kafka import erasure
from streamer.kafka.connection import connection_of
from streamer.kafka.erasure import Eraser, Erasure
from streamer.letters.choosing import EVERY_LETTER
from streamer.letters.redelivery import preview
from tests.builders import play_value
from tests.cases.observations import Observe
from tests.office import Office
from tests.onkafka import read_committed

pytestmark = pytest.mark.kafka


def eraser_of(office: Office) -> Eraser:
    return Eraser(connection_of(office.settings), office.settings.dead_letter_topic)


async def removed_keys(office: Office, partition: int) -> list[bytes | None]:
    """Return the keys of the null values of a partition, in order."""
    at, topic = office.settings.kafka_bootstrap_servers, office.settings.dead_letter_topic
    records = await read_committed(at, topic, partition)
    return [record.key for record in records if record.value is None and not record.headers]


@pytest.mark.kind(22)
async def test_the_letters_of_a_forgotten_listener_are_removed_and_no_others(office: Office, observe: Observe) -> None:
    await office.refuse(b"u", b"{", source_offset=1)
    await office.refuse(b"another", play_value("u", "t1"), source_offset=2)
    await office.refuse(None, b"csv;u;t1", partition=2, source_offset=3)
    kept = [await office.refuse(b"v", play_value("v", "u"), source_offset=4)]
    await office.forget(b"u")
    kept.append(await office.refuse(b"u", b"{", source_offset=5))

    listed = [letter.place for letter in await office.letters()]
    num_sendable = (await preview(office.desk, EVERY_LETTER)).num_sent
    eraser = eraser_of(office)
    erasures = [await eraser.erase(), await eraser.erase(), await eraser_of(office).erase()]

    topic = office.settings.plays_topic.encode()
    assert (listed, num_sendable) == (kept, 1), "from the request on, nobody sees them"
    assert erasures == [Erasure(1, 3, 0), Erasure(0, 0, 0), Erasure(0, 0, 0)]
    assert (await removed_keys(office, 0))[:2] == [topic + b":0:1", topic + b":0:2"]
    assert await removed_keys(office, 2) == [topic + b":2:3"]
    assert [letter.place for letter in await office.letters()] == kept
    observe("letters that name a forgotten listener by key, user_id or in a broken value are removed; later ones stay")


@pytest.mark.kind(22)
async def test_a_pass_that_was_cut_off_is_finished_by_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch, observe: Observe
) -> None:
    for _ in range(3):
        await office.refuse(b"u", b"{")
    await office.forget(b"u")
    send_all = erasure._send_all

    async def die_before_the_requests(producer: object, topic: str, records: erasure.Removals) -> None:
        if any(key.startswith(b"forget:") for _, key in records):
            raise ConnectionError
        await send_all(producer, topic, dict(list(records.items())[:2]))

    monkeypatch.setattr(erasure, "_send_all", die_before_the_requests)
    dying = eraser_of(office)
    with pytest.raises(ConnectionError):
        await dying.erase()
    assert dying.num_waiting == 1
    monkeypatch.undo()

    assert await eraser_of(office).erase() == Erasure(1, 1, 0)
    assert len(set(await removed_keys(office, 0))) == 4
    observe("a pass that died after two of three letters is finished by the next, which removes the rest")


@pytest.mark.kind(22)
async def test_letters_of_earlier_versions_go_too(office: Office, observe: Observe) -> None:
    await office.refuse_as_earlier_versions(b"u", b"{")
    await office.refuse_as_earlier_versions(b"another", play_value("u", "t1"))
    kept = await office.refuse_as_earlier_versions(b"another", b"{")
    await office.forget(b"u")

    assert (await eraser_of(office).erase()).num_letters == 3  # two marks, and one null value for the key
    assert [letter.place for letter in await office.letters()] == [kept]
    assert b"another" not in await removed_keys(office, 0), "it would remove the letters of another listener"
    observe("letters of earlier versions, keyed by listener, are removed without those of other listeners")


async def test_a_flood_of_requests_is_served_in_portions(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_PORTION", 2)
    for number in range(5):
        await office.refuse(b"u%d" % number, b"{")
        await office.forget(b"u%d" % number)
    eraser = eraser_of(office)

    assert [await eraser.erase() for _ in range(3)] == [Erasure(2, 2, 3), Erasure(2, 2, 1), Erasure(1, 1, 0)]
