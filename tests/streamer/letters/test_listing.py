"""Listings of letters on a real broker: the newest first, all of them, or as far back as is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.kafka.consumers import Rests
from streamer.kafka.extent import Extent, TooFarBackError
from streamer.letters.choosing import EVERY_LETTER, Choice
from streamer.letters.discarding import discard_letters
from streamer.letters.listing import LATEST, Listing, find_letter, list_letters, moment_of
from streamer.letters.redelivery import send_again
from streamer.wire.letters import RecordId
from streamer.wire.messages import Cause
from tests.builders import play_value
from tests.office import NUM_PARTITIONS, Office

pytestmark = pytest.mark.kafka

RESTS = Rests(num_records=2, pause_s=0.0)


async def test_pages_list_every_letter_once_and_each_counts_all(office: Office) -> None:
    written = [
        await office.refuse(
            b"u", b"{", cause=(Cause.NOT_JSON, Cause.TOO_LARGE)[num % 2], partition=num % NUM_PARTITIONS
        )
        for num in range(7)
    ]
    await office.refuse(b"gone", b"{")
    await office.forget(b"gone")

    pages, before = list[Listing](), LATEST
    for _ in range(4):
        pages.append(await list_letters(office.desk, Listing(3, before), listed=EVERY_LETTER))
        before = moment_of(pages[-1].letters[0]) if pages[-1].letters else before

    assert [page.num_listable for page in pages] == [7, 4, 1, 0]
    listed = [letter.place for page in pages for letter in page.letters[::-1]]
    assert (len(listed), sorted(listed)) == (7, sorted(written))
    assert {frozenset(page.num_letters.items()) for page in pages} == {
        frozenset({(Cause.NOT_JSON, 4), (Cause.TOO_LARGE, 3)})
    }
    few = await list_letters(office.desk, Listing(9), listed=Choice([Cause.TOO_LARGE]))
    assert [letter.headers.error for letter in few.letters] == [Cause.TOO_LARGE] * 3
    assert few.num_letters.total() == 7


async def test_as_far_back_as_is_read_letters_are_what_they_are_in_all(office: Office) -> None:
    old = await office.refuse(b"u", play_value("u", "t1"), cause=Cause.UNCOMPUTABLE, partition=1)
    for _ in range(6):
        await office.refuse(b"u", b"{", cause=Cause.NOT_JSON)
    new = await office.refuse(b"u", play_value("u", "t2"), cause=Cause.UNCOMPUTABLE)
    near = replace(office.desk, extent=Extent(4, rests=RESTS))

    listing = await list_letters(near, Listing(9), listed=EVERY_LETTER)
    assert [letter.place for letter in listing.letters][-1] == new
    assert listing.num_before + listing.num_looked_at == 8

    aimed = replace(office.desk, extent=Extent(4, [old, RecordId(2, 5)], RESTS))
    assert (await find_letter(aimed, old)) == await find_letter(office.desk, old)
    assert await find_letter(aimed, RecordId(2, 5)) is None
    first, again = [await send_again(aimed, Choice(places=[old, RecordId(2, 5)])) for _ in range(2)]
    assert (first.num_sent, first.missing, first.reasons) == (1, {RecordId(2, 5)}, {})
    assert (again.num_sent, again.reasons) == (0, {old: "was sent again before"})
    assert len(await office.plays(1)) == 1
    assert (await discard_letters(aimed, Choice(places=[old]))).num_discarded == 1
    assert await find_letter(office.desk, old) is None
    with pytest.raises(TooFarBackError):
        await send_again(replace(office.desk, extent=Extent(4, [RecordId(0, 0)])), EVERY_LETTER)
