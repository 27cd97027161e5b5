"""Letters, and what was done with them, on a real broker."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from streamer.errors import ContractError
from streamer.kafka.connection import connection_of
from streamer.kafka.letters import Letter, LetterIndex, read_letter, survey_letters
from streamer.wire.letters import (
    MAX_DEAD_VALUE_BYTES,
    DeadLetterHeaders,
    LetterRecord,
    RecordId,
    as_headers,
    dead_letter,
    discard,
    forget_request,
    receipt,
    removal,
)
from streamer.wire.messages import Cause
from tests.builders import NOON_MS
from tests.office import Office

HEADERS = DeadLetterHeaders(Cause.STRAY_PARTITION, "for a test", "plays", 2, 17, "0.1.0")


def on_topic(record: LetterRecord, offset: int, partition: int = 2) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        "dead", partition, offset, NOON_MS, 0, record.key, record.value, None, 1, 1, headers=record.headers
    )


def index_of(*records: LetterRecord) -> LetterIndex:
    index = LetterIndex({})
    for offset, record in enumerate(records, 10):
        index.add(on_topic(record, offset))
    return index


def letter_at(offset: int, headers: DeadLetterHeaders = HEADERS) -> Letter:
    letter = read_letter(on_topic(dead_letter(b"u", b"{", headers), offset))
    assert letter is not None
    return letter


@pytest.mark.parametrize("value", [None, b"", b"{"])
@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_letter_is_what_was_received_under_a_key_of_its_own(key: bytes | None, value: bytes | None) -> None:
    record = dead_letter(key, value, HEADERS)

    letter = read_letter(on_topic(record, 10))

    assert (record.key, record.value is None) == (b"plays:2:17", False)
    assert letter is not None
    assert (letter.key, letter.value, letter.has_own_key) == (key, value, True)


@pytest.mark.parametrize("value", [None, b"", b"{"])
@pytest.mark.parametrize("key", [None, b"", b"u"])
def test_a_letter_of_an_earlier_version_is_read_as_it_was_written(key: bytes | None, value: bytes | None) -> None:
    old = ConsumerRecord("dead", 2, 10, NOON_MS, 0, key, value, None, 1, 1, headers=as_headers(HEADERS))

    letter = read_letter(old)

    assert letter is not None
    assert (letter.key, letter.value, letter.has_own_key) == (key, value, False)


def test_a_letter_is_gone_once_it_is_removed_and_one_that_comes_later_is_not() -> None:
    index = index_of(dead_letter(b"u", b"{", HEADERS), removal(HEADERS.record_key), discard(5))

    assert index.is_gone(letter_at(10))
    assert not index.is_gone(letter_at(12))
    assert index.is_gone(replace(letter_at(5), has_own_key=False))


def test_a_letter_is_gone_once_the_play_sent_from_it_is_a_letter_again() -> None:
    again = replace_headers(letter="2:10", times_sent=1)
    forged = replace_headers(letter="2:3", times_sent=1)

    index = index_of(
        dead_letter(b"u", b"{", HEADERS), receipt(10), dead_letter(b"u", b"{", again), dead_letter(b"u", b"{", forged)
    )

    assert index.is_gone(letter_at(10))
    assert not index.is_gone(letter_at(12))
    assert not index.is_gone(letter_at(3)), "it was never sent: any producer may write the header"


def replace_headers(**fields: object) -> DeadLetterHeaders:
    return DeadLetterHeaders(Cause.STRAY_PARTITION, "for a test", "plays", 2, 18, "0.1.0", **fields)  # type: ignore[arg-type]


def test_a_request_is_pending_until_it_is_removed() -> None:
    request = forget_request(b"u", RecordId(2, 20))

    assert [each.user for each in index_of(request).requests.values()] == [b"u"]
    assert not index_of(request, removal(request.key)).requests


@pytest.mark.kafka
async def test_a_letter_says_what_was_refused_and_why(office: Office) -> None:
    place = await office.refuse(b"u", b"{", cause=Cause.NOT_JSON, partition=2, source_offset=17)

    (letter,) = await office.letters()

    assert (letter.place, letter.key, letter.value, letter.is_sent) == (place, b"u", b"{", False)
    assert (letter.headers.error, letter.headers.source_partition, letter.headers.source_offset) == ("not-json", 2, 17)
    assert letter.num_bytes == 1


@pytest.mark.kafka
async def test_letters_are_read_partition_by_partition_in_order(office: Office) -> None:
    places = [await office.refuse(b"u", b"{", partition=partition) for partition in (2, 0, 2, 1, 0)]

    assert [letter.place for letter in await office.letters()] == sorted(places)


@pytest.mark.kafka
async def test_a_truncated_letter_knows_its_original_size(office: Office) -> None:
    await office.refuse(b"k" * 2000, b"v" * (MAX_DEAD_VALUE_BYTES + 1))

    (letter,) = await office.letters()

    assert letter.headers.is_cut
    assert (letter.num_bytes, letter.headers.original_key_size) == (MAX_DEAD_VALUE_BYTES + 1, 2000)


@pytest.mark.kafka
async def test_foreign_records_are_counted_and_do_no_harm(office: Office) -> None:
    topic = office.settings.dead_letter_topic
    for headers in ([], [("error", b"\xff")], [("sent-again", b"many")], [("error", None)]):
        await office.producer.send_and_wait(topic, b"", b"k", partition=0, headers=headers)
    await office.refuse(b"u", b"{")

    assert (await survey_letters(connection_of(office.settings), topic)).num_foreign == 4
    assert len(await office.letters()) == 1


@pytest.mark.kafka
async def test_a_survey_waits_for_a_receipt_behind_an_open_transaction(office: Office) -> None:
    place = await office.refuse(b"u", b"{")
    topic, note = office.settings.dead_letter_topic, receipt(place.offset)
    async with AIOKafkaProducer(
        bootstrap_servers=office.settings.kafka_bootstrap_servers, transactional_id=f"{office.settings.app_id}-worker"
    ) as worker:
        await worker.begin_transaction()
        await worker.send_and_wait(topic, b"of a batch", b"k", partition=0)
        await office.producer.send_and_wait(topic, b"", note.key, partition=0, headers=note.headers)

        survey = asyncio.create_task(survey_letters(connection_of(office.settings), topic))
        done, _ = await asyncio.wait([survey], timeout=1)
        await worker.commit_transaction()

    assert not done
    assert (await survey).sent == {place}


@pytest.mark.kafka
async def test_a_missing_topic_is_named_and_not_created(office: Office) -> None:
    for _ in range(2):
        with pytest.raises(ContractError, match="nowhere"):
            await survey_letters(connection_of(office.settings), f"{office.settings.app_id}.nowhere")
