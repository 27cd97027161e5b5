"""Letters and receipts, on a real broker."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaProducer

from streamer.errors import ContractError
from streamer.operations.letters import Letter, RecordId, read_letters, survey_letters
from streamer.wire.messages import MAX_DEAD_VALUE_BYTES, Cause, ReceiptHeaders, as_headers
from tests.streamer.operations.conftest import Office

pytestmark = pytest.mark.kafka


async def read(office: Office) -> list[Letter]:
    async with aclosing(read_letters(office.settings, await survey_letters(office.settings))) as letters:
        return [letter async for letter in letters]


async def test_a_letter_says_what_was_refused_and_why(office: Office) -> None:
    place = await office.refuse(b"u", b"{", cause=Cause.NOT_JSON, partition=2, source_offset=17)

    (letter,) = await read(office)

    assert (letter.place, letter.key, letter.value, letter.is_sent) == (place, b"u", b"{", False)
    assert (letter.headers.error, letter.headers.source_partition, letter.headers.source_offset) == ("not-json", 2, 17)
    assert letter.num_bytes == 1


async def test_letters_are_read_partition_by_partition_in_order(office: Office) -> None:
    places = [await office.refuse(b"u", b"{", partition=partition) for partition in (2, 0, 2, 1, 0)]

    assert [letter.place for letter in await read(office)] == sorted(places)


async def test_a_truncated_letter_knows_its_original_size(office: Office) -> None:
    await office.refuse(b"k" * 2000, b"v" * (MAX_DEAD_VALUE_BYTES + 1))

    (letter,) = await read(office)

    assert letter.headers.is_cut
    assert (letter.num_bytes, letter.headers.original_key_size) == (MAX_DEAD_VALUE_BYTES + 1, 2000)


async def test_foreign_records_are_counted_and_do_no_harm(office: Office) -> None:
    topic = office.settings.dead_letter_topic
    for headers in ([], [("error", b"\xff")], [("sent-again", b"many")], [("error", None)]):
        await office.producer.send_and_wait(topic, b"", partition=0, headers=headers)
    await office.refuse(b"u", b"{")

    assert (await survey_letters(office.settings)).num_foreign == 4
    assert len(await read(office)) == 1


async def test_a_survey_waits_for_a_receipt_behind_an_open_transaction(office: Office) -> None:
    place = await office.refuse(b"u", b"{")
    topic, receipt = office.settings.dead_letter_topic, as_headers(ReceiptHeaders(sent_again=place.offset))
    async with AIOKafkaProducer(
        bootstrap_servers=office.settings.kafka_bootstrap_servers, transactional_id=f"{office.settings.app_id}-worker"
    ) as worker:
        await worker.begin_transaction()
        await worker.send_and_wait(topic, b"of a batch", partition=0)
        await office.producer.send_and_wait(topic, b"", partition=0, headers=receipt)

        survey = asyncio.create_task(survey_letters(office.settings))
        done, _ = await asyncio.wait([survey], timeout=1)
        await worker.commit_transaction()

    assert not done
    assert (await survey).sent == {place}


async def test_a_missing_topic_is_named_and_not_created(office: Office) -> None:
    settings = office.settings.model_copy(update={"dead_letter_topic": f"{office.settings.app_id}.nowhere"})

    for _ in range(2):
        with pytest.raises(ContractError, match="nowhere"):
            await survey_letters(settings)


def test_a_place_is_written_as_partition_and_offset() -> None:
    assert str(RecordId(3, 17)) == "3:17"
