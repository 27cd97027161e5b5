"""Questions about dead letters, asked over HTTP of a real broker."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.letters import redelivery
from streamer.letters.choosing import create_fence
from streamer.queries import letters as questions
from streamer.queries.errands import Errands
from streamer.queries.letters import LetterQueries, LetterRights, letter_routes
from streamer.wire.letters import MAX_DEAD_VALUE_BYTES, RecordId
from streamer.wire.messages import Cause
from tests.asking import Asker, asking
from tests.builders import play_value
from tests.office import Office

pytestmark = pytest.mark.kafka

PATH = "/api/v1/dead-letters"
NO_RIGHTS = LetterRights((), (), ())


@pytest.fixture
def queries(office: Office) -> LetterQueries:
    return LetterQueries(office.desk, Errands(office.desk.connection), NO_RIGHTS)


@pytest.fixture
async def asker(queries: LetterQueries) -> AsyncIterator[Asker]:
    async with asking(letter_routes(queries)) as asker:
        yield asker


def named(*places: RecordId) -> dict[str, object]:
    return {"letters": [{"partition": place.partition, "offset": place.offset} for place in places]}


async def test_letters_are_listed_page_by_page_by_cause_and_shortened(office: Office, asker: Asker) -> None:
    bad = await office.refuse("é".encode() * 150 + b"\xff\x1b[2J", "音".encode() * 100, cause=Cause.NOT_JSON)
    others = [await office.refuse(None, None, cause=Cause.NULL_KEY, partition=number) for number in range(3)]

    first = (await asker.ask("GET", f"{PATH}?limit=2")).json
    second = (await asker.ask("GET", f"{PATH}?limit=2&before={first['next']}")).json
    by_cause = (await asker.ask("GET", f"{PATH}?cause=not-json")).json

    listed = [(each["partition"], each["offset"]) for page in (first, second) for each in page["letters"]]
    assert sorted(listed) == sorted([bad, *others])
    assert (listed[-1], second["next"]) == (bad, None)
    assert first["causes"] == second["causes"] == by_cause["causes"] == {"not-json": 1, "null-key": 3}
    assert (first["is_whole"], first["looked_at"], first["foreign"]) == (True, 4, 0)
    (letter,) = by_cause["letters"]
    assert (letter["key"], letter["value"]) == ("é" * 100 + "…", "音" * 66 + "…")
    assert (letter["num_bytes"], letter["cause"], letter["sent_again"]) == (300, "not-json", False)
    assert letter["source"] == {"topic": office.settings.plays_topic, "partition": 0, "offset": 0}
    assert [first["letters"][0][name] for name in ("key", "value")] == [None, None]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cause=whim", "before=1", "before=1:2:x", "before=::", "other=1"]
)
async def test_a_list_that_cannot_be_is_refused(asker: Asker, query: str) -> None:
    assert (await asker.ask("GET", f"{PATH}?{query}")).code == "bad_request"


async def test_a_letter_is_shown_whole_with_whatever_bytes_it_has(office: Office, asker: Asker) -> None:
    good = await office.refuse("ü\n\u202e".encode(), play_value("ü\n\u202e", "t1"), cause=Cause.UNCOMPUTABLE)
    odd = await office.refuse(b"\xff\x00", b"{\xfe", cause=Cause.NOT_JSON)
    cut = await office.refuse(None, b"v" * (MAX_DEAD_VALUE_BYTES + 1), cause=Cause.TOO_LARGE)
    null = await office.refuse(b"", None)

    shown = [
        (await asker.ask("GET", f"{PATH}/{place.partition}/{place.offset}")).json for place in (good, odd, cut, null)
    ]

    assert (shown[0]["key"], shown[0]["value"].encode()) == ("ü\n\u202e", play_value("ü\n\u202e", "t1"))
    assert (shown[0]["refusal"], shown[0]["sent_again"], shown[0]["key_encoding"]) == (None, False, "utf-8")
    assert shown[0]["headers"]["error"] == "uncomputable"
    assert "play-key" not in shown[0]["headers"]
    assert (shown[1]["key_encoding"], shown[1]["value_encoding"]) == ("base64", "base64")
    assert [base64.b64decode(shown[1][name]) for name in ("key", "value")] == [b"\xff\x00", b"{\xfe"]
    assert "a worker would reject the same bytes again (not JSON): fix" in shown[1]["refusal"]
    assert (shown[2]["is_cut"], shown[2]["num_bytes"], len(shown[2]["value"])) == (True, 65_537, 65_536)
    assert (shown[3]["key"], shown[3]["value"], shown[3]["headers"]["null-value"]) == ("", None, "true")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("0/9", "it was discarded, superseded, or its listener forgotten"),
        ("9/0", "the topic has 3 partitions, from 0 on"),
        ("2147483647/9223372036854775807", "the topic has 3 partitions, from 0 on"),
    ],
)
async def test_a_letter_that_does_not_exist_is_not_found(asker: Asker, place: str, reason: str) -> None:
    answer = await asker.ask("GET", f"{PATH}/{place}")

    assert (answer.status, answer.code) == (404, "not_found")
    message = f"{place.replace('/', ':')}: no dead letter is there; {reason}"
    assert answer.json["error"]["message"] == message


@pytest.mark.parametrize("place", ["-1/0", "0/-1", "x/0", "0/9223372036854775808", "2147483648/0"])
async def test_a_place_that_no_letter_can_have_is_refused(asker: Asker, place: str) -> None:
    assert (await asker.ask("GET", f"{PATH}/{place}")).code == "bad_request"


async def test_letters_are_sent_again_once_and_the_log_says_who_asked(
    office: Office, asker: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    good = await office.refuse(b"u", play_value("u", "t1"), cause=Cause.UNCOMPUTABLE, partition=2)
    bad = await office.refuse(b"u", b"{", cause=Cause.NOT_JSON)
    absent = RecordId(1, 7)

    with caplog.at_level(logging.INFO):
        done = [(await asker.ask("POST", f"{PATH}/send-again", json=named(good, bad, absent, good))).json for _ in "12"]

    assert [each["done"] for each in done] == [1, 0]
    assert [[(each["partition"], each["offset"]) for each in one["refused"]] for one in done] == [
        [bad, absent],
        [bad, absent, good],
    ]
    assert [each["reason"].partition(" (")[0] for each in done[1]["refused"]] == [
        "a worker would reject the same bytes again",
        "no dead letter is there; it was discarded, superseded, or its listener forgotten",
        "was sent again before",
    ]
    assert await office.plays(2) == [(b"u", play_value("u", "t1"))]
    shown = (await asker.ask("GET", f"{PATH}/2/{good.offset}")).json
    assert (shown["sent_again"], shown["refusal"]) == (True, "was sent again before")
    lines = [record.getMessage() for record in caplog.records if record.name == "streamer.queries.errands"]
    of = f"what=send-again of={good},{bad},{absent} right=act peer=127.0.0.1"
    assert lines == [f"act {of} outcome=1 done, 2 refused", f"act {of} outcome=0 done, 3 refused"]


@pytest.mark.parametrize("act", ["send-again", "discard"])
async def test_an_act_says_of_a_letter_that_does_not_exist_what_a_look_says(
    office: Office, asker: Asker, act: str
) -> None:
    await office.refuse(b"u", b"{", cause=Cause.NOT_JSON)
    places = [RecordId(0, 9), RecordId(3, 0), RecordId(2147483647, 0)]

    looks = [await asker.ask("GET", f"{PATH}/{place.partition}/{place.offset}") for place in places]
    confirmed = {} if act == "send-again" else {"confirm": True}
    done = (await asker.ask("POST", f"{PATH}/{act}", json=named(*places) | confirmed)).json

    refused = [f"{each['partition']}:{each['offset']}: {each['reason']}" for each in done["refused"]]
    assert (done["done"], refused) == (0, [look.json["error"]["message"] for look in looks])
    assert refused[1] == "3:0: no dead letter is there; the topic has 3 partitions, from 0 on"


async def test_letters_are_discarded_once_that_is_confirmed(office: Office, asker: Asker) -> None:
    places = [await office.refuse(b"u", b"{", cause=Cause.NOT_JSON, partition=number) for number in range(2)]

    asked = await asker.ask("POST", f"{PATH}/discard", json=named(*places, RecordId(2, 0)))
    assert (asked.status, asked.code) == (409, "conflict")
    assert asked.json["error"]["message"].startswith("2 letters would be discarded for ever")
    assert len(await office.letters()) == 2

    body = {**named(*places, RecordId(2, 0)), "confirm": True}
    done = (await asker.ask("POST", f"{PATH}/discard", json=body)).json

    assert (done["done"], [(each["partition"], each["offset"]) for each in done["refused"]]) == (2, [(2, 0)])
    assert await office.letters() == []


@pytest.mark.parametrize(
    "body",
    [{}, {"letters": []}, named(*(RecordId(0, number) for number in range(201))), {"letters": ["0:1"]},
     {"letters": [{"partition": 0, "offset": 1, "value": "x"}]}, {"letters": [{"partition": 0, "offset": -1}]}],
)  # fmt: skip
async def test_acts_that_name_no_letters_are_refused(asker: Asker, body: object) -> None:
    for act in ("send-again", "discard"):
        assert (await asker.ask("POST", f"{PATH}/{act}", json=body)).code == "bad_request"


async def test_of_a_long_topic_the_newest_records_are_looked_at_and_said(
    office: Office, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_LISTED", 3)
    monkeypatch.setattr(questions, "_NAMED", 3)
    places = [await office.refuse(b"u", b"{", cause=Cause.NOT_JSON) for _ in range(5)]

    listed = (await asker.ask("GET", PATH)).json
    near = await asker.ask("GET", f"{PATH}/0/{places[2].offset}")
    far = await asker.ask("GET", f"{PATH}/0/{places[0].offset}")

    assert (listed["causes"], listed["looked_at"], listed["is_whole"]) == ({"not-json": 3}, 3, False)
    assert (near.status, far.code) == (200, "conflict")
    assert "use `refrain dead-letters`" in far.json["error"]["message"]


async def test_who_is_overtaken_by_another_sender_is_told_so_and_nothing_is_sent_twice(
    office: Office, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [await office.refuse(b"u", play_value("u", f"t{number}")) for number in range(3)]
    send = redelivery._send

    async def send_late(*arguments: object) -> None:
        async with running(await create_fence(office.desk)):  # a command begins at this moment
            await send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(redelivery, "_send", send_late)
    overtaken = await asker.ask("POST", f"{PATH}/send-again", json=named(*places))
    monkeypatch.setattr(redelivery, "_send", send)

    both = [asker.ask("POST", f"{PATH}/send-again", json=named(*places)) for _ in range(2)]
    answers = [answer.json["done"] for answer in await asyncio.gather(*both)]

    assert (overtaken.code, sorted(answers)) == ("conflict", [0, 3])
    assert len(await office.plays()) == 3


async def test_a_kafka_that_does_not_answer_is_unavailable(office: Office, queries: LetterQueries) -> None:
    place = await office.refuse(b"u", b"{")
    nowhere = replace(queries, errands=Errands(Connection.parse("127.0.0.1:1")))
    async with asking(letter_routes(nowhere)) as asker:
        answers = [
            await asker.ask("GET", PATH),
            await asker.ask("GET", f"{PATH}/0/0"),
            await asker.ask("POST", f"{PATH}/send-again", json=named(place)),
        ]

    assert {answer.code for answer in answers} == {"unavailable"}
    assert "no broker answers" in answers[0].json["error"]["message"]
