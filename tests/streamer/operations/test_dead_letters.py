"""What an operator types and reads."""

from __future__ import annotations

import asyncio

import click
import pytest
from aiokafka.errors import KafkaConnectionError

from streamer.kafka.letters import Letter
from streamer.letters.choosing import Choice
from streamer.letters.desk import desk_of
from streamer.letters.listing import Listing
from streamer.letters.redelivery import Dispatch
from streamer.letters.texts import escape
from streamer.operations.dead_letters import DeadLettersError, dead_letters
from streamer.operations.letter_listing import describe, letter_shown, listing_shown, listing_text, report
from streamer.settings import Settings
from streamer.wire.letters import DeadLetterHeaders, RecordId
from streamer.wire.messages import Cause
from tests.builders import NOON_MS, play_value
from tests.commands import run_here
from tests.office import Office


def run(settings: Settings, *arguments: str) -> None:
    run_here(dead_letters, settings, *arguments)


def letter(
    offset: int,
    value: bytes | None = b"{",
    *,
    key: bytes | None = b"u17",
    cause: Cause = Cause.NOT_JSON,
    at_ms: int = NOON_MS,
    is_sent: bool = False,
) -> Letter:
    headers = DeadLetterHeaders(cause, "Input data was truncated", "plays", 3, 90125, "0.1.0")
    return Letter(RecordId(3, offset), at_ms, headers, key, value, is_sent=is_sent)


def put(listing: Listing, each: Letter) -> None:
    listing.count(each)
    listing.add(each)


@pytest.mark.kafka
async def test_letters_are_listed_shown_and_sent_again(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    place = await office.refuse(b"u17", play_value("u17", "t1"), cause=Cause.UNCOMPUTABLE, partition=2)
    await office.refuse(None, b"{}", cause=Cause.NULL_KEY)

    def operate() -> None:
        run(office.settings, "show", str(place))
        run(office.settings, "send-again", "--dry-run", str(place))
        run(office.settings, "send-again", str(place))
        run(office.settings, "list", "--cause", "uncomputable")
        with pytest.raises(SystemExit, match="1"):
            run(office.settings, "send-again", "--all")
        run(office.settings, "discard", "--cause", "null-key", "--dry-run")
        run(office.settings, "discard", "--cause", "null-key", "--yes")
        run(office.settings, "erase-forgotten")
        with pytest.raises(DeadLettersError, match="2:99"):
            run(office.settings, "show", "2:99")

    await asyncio.to_thread(operate)

    shown = capsys.readouterr().out
    assert "error             uncomputable\n" in shown
    assert "nothing was changed; this would be:\n1 sent again, 0 had been sent before\n1 sent again, 0" in shown
    assert shown.endswith(
        "nothing was changed; this would be:\n1 discarded\n1 discarded\n0 tombstones served, 0 letters removed\n"
    )
    assert f"{place} " in shown.split("letter  ")[-1]
    assert "sent again\n" in shown
    assert "0 sent again, 1 had been sent before\n1 cannot be sent: without a key" in shown
    assert await office.plays(2) == [(b"u17", play_value("u17", "t1"))]


def test_an_unreachable_kafka_is_one_line() -> None:
    with pytest.raises(KafkaConnectionError, match="no broker answers"):  # which the command line prints, with status 4
        run(Settings(kafka_bootstrap_servers="127.0.0.1:1"), "list")


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "3"],
        ["show", "3:x"],
        ["send-again", "--cause", "whim"],
        ["send-again", "--cause", "not-json", "3:17"],
        ["send-again", "--all", "3:17"],
        ["send-again"],
        ["discard", "--yes"],
        ["discard", "--all"],  # nobody is there to ask
        ["list", "3:17"],
    ],
)
def test_meaningless_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        run(Settings(), *arguments)


def test_a_listing_holds_the_newest_and_counts_all() -> None:
    listing = Listing(limit=2)
    for offset in range(5):
        cause = Cause.NOT_JSON if offset % 2 else Cause.WRONG_TYPE
        put(listing, letter(offset, at_ms=NOON_MS - offset, cause=cause, is_sent=offset == 0))

    lines = listing_text(listing).splitlines()

    assert [line.split()[0] for line in lines[:3]] == ["letter", "3:1", "3:0"]
    assert lines[2].endswith("wrong-type        plays 3:90125               1  sent again")
    assert [line.split() for line in lines[5:]] == [["not-json", "2", "0"], ["wrong-type", "3", "1"], ["all", "5", "1"]]


def test_json_lists_the_same_letters_without_their_plays() -> None:
    listing = Listing(limit=2, num_foreign=1)
    for offset in range(3):
        put(listing, letter(offset, b"{" * (offset + 1), at_ms=NOON_MS - offset, is_sent=offset == 0))

    shown = listing_shown(listing)

    assert [(each.letter, each.num_bytes, each.sent_again) for each in shown.letters] == [
        ("3:1", 2, False),
        ("3:0", 1, True),
    ]
    assert {each.value for each in shown.letters} == {None}
    assert [(each.cause, each.num_letters, each.num_sent) for each in shown.causes] == [("not-json", 3, 1)]
    assert shown.num_foreign == 1


def test_json_shows_a_letter_with_its_play() -> None:
    shown = letter_shown(letter(17, b'{"a":\xff', cause=Cause.WRONG_TYPE))

    assert (shown.letter, shown.cause, shown.source) == ("3:17", "wrong-type", "3:90125")
    assert (shown.key, shown.value) == ("u17", r'{"a":\xff')


def test_an_empty_listing_says_so_and_counts_foreign_records() -> None:
    text = listing_text(Listing(limit=9, num_foreign=2))

    assert text.splitlines()[1].split() == ["all", "0", "0"]
    assert "2 other records" in text


def test_a_letter_is_shown_with_its_headers_key_and_value() -> None:
    assert describe(letter(17, b'{"a":\xff\x1b[2J')).splitlines() == [
        "letter            3:17",
        "refused-at        2023-11-14T22:13:20.000Z",
        "sent-again        no",
        "error             not-json",
        "reason            Input data was truncated",
        "source-topic      plays",
        "source-partition  3",
        "source-offset     90125",
        "worker-version    0.1.0",
        "key               u17",
        r'value             {"a":\xff\x1b[2J',
    ]


def test_null_and_empty_look_different() -> None:
    assert describe(letter(1, None, key=b"")).splitlines()[-2:] == ["key               ", "value             null"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("é 音楽 {}", "é 音楽 {}"), ("\x1b]0;x\x07\r\n", r"\x1b]0;x\x07\r\n"), ("\u202e\x00\x9b", r"\u202e\x00\x9b")],
)
def test_terminal_codes_are_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.parametrize("at_ms", [-1, 0, 2**62])
def test_a_time_outside_the_calendar_is_a_number(at_ms: int) -> None:
    assert "refused-at" in describe(letter(1, at_ms=at_ms))


def test_a_report_lists_what_was_not_sent() -> None:
    dispatch = Dispatch(Choice(places=[RecordId(3, 1), RecordId(3, 2), RecordId(3, 9)]), desk_of(Settings()), 8)
    for each in (letter(1, key=None), letter(2, play_value("u17", "t1")), letter(3)):
        dispatch.admits(each)

    assert report(dispatch).splitlines() == [
        "1 sent again, 0 had been sent before",
        "1 cannot be sent: without a key, so that no worker can take the play: fix the producer",
        "no dead letter at 3:9",
    ]
