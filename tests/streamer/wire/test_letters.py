"""The records of the topic of dead letters."""

import hashlib

import pytest

from streamer.wire.letters import (
    MAX_DEAD_KEY_BYTES,
    MAX_DEAD_VALUE_BYTES,
    DeadLetterHeaders,
    RecordId,
    ResentHeaders,
    dead_letter,
    discard,
    forget_request,
    read_headers,
    receipt,
    removal,
)
from streamer.wire.messages import Cause

HEADERS = DeadLetterHeaders(
    error=Cause.NOT_JSON,
    reason="Input data was truncated",
    source_topic="plays",
    source_partition=3,
    source_offset=90125,
    worker_version="0.1.0",
)


def test_a_dead_letter_holds_what_was_received_and_why_it_was_rejected() -> None:
    letter = dead_letter(b"u17", b"{", HEADERS)

    assert (letter.key, letter.value) == (b"plays:3:90125", b"{")
    assert letter.headers == [
        ("error", b"not-json"),
        ("reason", b"Input data was truncated"),
        ("source-topic", b"plays"),
        ("source-partition", b"3"),
        ("source-offset", b"90125"),
        ("worker-version", b"0.1.0"),
        ("play-key", b"u17"),
    ]


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_no_record_but_a_removal_has_a_null_value_or_no_key(key: bytes | None, value: bytes | None) -> None:
    letter = dead_letter(key, value, HEADERS)
    headers = read_headers(letter.headers, DeadLetterHeaders)

    assert headers is not None
    assert (headers.play_key, None if headers.null_value else letter.value) == (key, value)
    for record in (letter, receipt(17), discard(17), forget_request(b"u", RecordId(3, 9))):
        assert record.key
        assert record.value is not None
    assert removal(letter.key).value is None


def test_no_key_of_a_record_names_a_listener() -> None:
    records = (dead_letter(b"secret", b"{", HEADERS), forget_request(b"secret", RecordId(3, 9)))

    assert [record.key for record in records] == [b"plays:3:90125", b"forget:3:9"]


def test_a_large_record_is_truncated_and_its_digest_kept() -> None:
    value = b"x" * (MAX_DEAD_VALUE_BYTES + 1)

    letter = dead_letter(b"k" * 5000, value, HEADERS)

    headers = dict(letter.headers)
    assert headers["play-key"] == b"k" * MAX_DEAD_KEY_BYTES
    assert letter.value == value[:MAX_DEAD_VALUE_BYTES]
    assert headers["sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["original-size"] == str(len(value)).encode()
    assert headers["original-key-size"] == b"5000"


@pytest.mark.parametrize(
    ("key", "value", "is_cut"),
    [
        (b"k" * MAX_DEAD_KEY_BYTES, b"v" * MAX_DEAD_VALUE_BYTES, False),
        (b"k" * (MAX_DEAD_KEY_BYTES + 1), None, True),
        (None, b"v" * (MAX_DEAD_VALUE_BYTES + 1), True),
    ],
)
def test_a_dead_letter_says_whether_it_is_whole(key: bytes | None, value: bytes | None, is_cut: bool) -> None:  # noqa: FBT001
    headers = read_headers(dead_letter(key, value, HEADERS).headers, DeadLetterHeaders)

    assert headers is not None
    assert headers.is_cut == is_cut


@pytest.mark.parametrize("headers", [[], [("letter", b"3:17")], [("letter", b"3"), ("times-sent", b"1")]])
def test_headers_of_another_kind_are_no_headers(headers: list[tuple[str, bytes | None]]) -> None:
    assert read_headers(headers, ResentHeaders) is None


def test_a_place_is_written_and_read_as_partition_and_offset() -> None:
    assert str(RecordId(3, 17)) == "3:17"
    assert RecordId.parse("3:17") == RecordId(3, 17)
    with pytest.raises(ValueError, match="expected 2"):
        RecordId.parse("3")
