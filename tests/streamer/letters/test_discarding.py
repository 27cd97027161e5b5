"""Discarding letters on a real broker: they are listed, counted and sent no more."""

from __future__ import annotations

import pytest

from streamer.letters.choosing import EVERY_LETTER, Choice
from streamer.letters.discarding import discard_letters, preview_discard
from streamer.letters.redelivery import send_again
from streamer.wire.messages import Cause
from tests.builders import play_value
from tests.cases.observations import Observe
from tests.office import Office

pytestmark = pytest.mark.kafka


@pytest.mark.kind(21)
async def test_discarded_letters_are_gone_and_the_others_are_not(office: Office, observe: Observe) -> None:
    by_name = await office.refuse(b"u", b"{", cause=Cause.NOT_JSON)
    old = await office.refuse_as_earlier_versions(b"u", b"[", cause=Cause.NOT_JSON)
    kept = await office.refuse(b"u", play_value("u", "t1"), cause=Cause.UNCOMPUTABLE)
    old_kept = await office.refuse_as_earlier_versions(b"u", play_value("u", "t2"), cause=Cause.UNCOMPUTABLE)

    seen = await preview_discard(office.desk, Choice(places=[by_name]))
    num_letters = len(await office.letters())
    first = await discard_letters(office.desk, Choice(places=[by_name]))
    by_cause = [await discard_letters(office.desk, Choice(causes=[Cause.NOT_JSON])) for _ in range(2)]

    assert (seen.num_discarded, num_letters) == (1, 4)
    assert [each.num_discarded for each in (first, *by_cause)] == [1, 1, 0]
    assert (await discard_letters(office.desk, Choice(places=[old]))).missing == {old}
    assert [letter.place for letter in await office.letters()] == [kept, old_kept]
    assert (await send_again(office.desk, EVERY_LETTER)).num_sent == 2
    observe("discarded letters, by place or by cause, are listed and sent no more; discarding again finds none")
