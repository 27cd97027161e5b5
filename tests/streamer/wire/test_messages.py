"""The messages, as they appear on the wire."""

import hashlib

import msgspec
import pytest

from models.config import HORIZONS
from streamer.wire.messages import (
    MAX_DEAD_KEY_BYTES,
    MAX_DEAD_VALUE_BYTES,
    Cause,
    DeadLetterHeaders,
    RankedTrack,
    Recommendation,
    ReleaseNotice,
    dead_letter,
)

HEADERS = DeadLetterHeaders(
    error=Cause.NOT_JSON,
    reason="Input data was truncated",
    source_topic="plays",
    source_partition=3,
    source_offset=90125,
    worker_version="0.1.0",
)


def test_a_recommendation_is_what_the_contract_says() -> None:
    recommendation = Recommendation(
        user_id="u17",
        horizon="short-term",
        tracks=(RankedTrack("t9", 0.93),),
        release="r1",
        plays_seen=412,
        source_partition=3,
        source_offset=90125,
        played_at=1795469401000,
        emitted_at=1795469401012,
    )

    assert msgspec.json.encode(recommendation) == (
        b'{"user_id":"u17","horizon":"short-term","tracks":[{"track_id":"t9","score":0.93}],"release":"r1",'
        b'"plays_seen":412,"source_partition":3,"source_offset":90125,"played_at":1795469401000,'
        b'"emitted_at":1795469401012}'
    )


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_horizons_are_those_of_the_model(horizon: str) -> None:
    fields = {"user_id": "u", "tracks": [], "release": "r", "plays_seen": 1, "source_partition": 0, "source_offset": 0}
    times = {"played_at": 1, "emitted_at": 1}

    assert msgspec.convert(fields | times | {"horizon": horizon}, Recommendation).horizon == horizon
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields | times | {"horizon": horizon.upper()}, Recommendation)


def test_a_release_notice_without_a_digest_is_refused() -> None:
    notice = {"release_id": "r1", "location": "file:///releases/r1", "manifest_sha256": "0" * 64}

    assert msgspec.convert(notice, ReleaseNotice).release_id == "r1"
    with pytest.raises(msgspec.ValidationError, match="manifest_sha256"):
        msgspec.convert(notice | {"manifest_sha256": "unknown"}, ReleaseNotice)


def test_a_dead_letter_holds_what_was_received_and_why_it_was_rejected() -> None:
    letter = dead_letter(b"u17", b"{", HEADERS)

    assert (letter.key, letter.value) == (b"u17", b"{")
    assert letter.headers == [
        ("error", b"not-json"),
        ("reason", b"Input data was truncated"),
        ("source-topic", b"plays"),
        ("source-partition", b"3"),
        ("source-offset", b"90125"),
        ("worker-version", b"0.1.0"),
    ]


@pytest.mark.parametrize("key", [None, b""])
def test_a_dead_letter_keeps_empty_and_null_apart(key: bytes | None) -> None:
    letter = dead_letter(key, key, HEADERS)

    assert (letter.key, letter.value) == (key, key)


def test_a_large_record_is_truncated_and_its_digest_kept() -> None:
    value = b"x" * (MAX_DEAD_VALUE_BYTES + 1)

    letter = dead_letter(b"k" * 5000, value, HEADERS)

    assert letter.key == b"k" * MAX_DEAD_KEY_BYTES
    assert letter.value == value[:MAX_DEAD_VALUE_BYTES]
    headers = dict(letter.headers)
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
    headers = {name: text.decode() for name, text in dead_letter(key, value, HEADERS).headers}

    assert msgspec.convert(headers, DeadLetterHeaders, strict=False).is_cut == is_cut
