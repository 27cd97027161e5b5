import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.catalogue import CAUSES, MAX_RECORD_BYTES, Entry, TrackRecord, encode_record, read_entry
from streamer.wire.messages import Cause

WHOLE = TrackRecord(
    title="Idioteque", artists=("Radiohead",), album="Kid A", released="2000-10-02", duration_ms=309_000,
    picture="https://example.com/kid-a.jpg", tags=("electronic",),
)  # fmt: skip


def test_a_record_survives_its_bytes() -> None:
    assert read_entry(b"t1", encode_record(WHOLE)) == Entry("t1", WHOLE)
    assert str(WHOLE) == "Radiohead: Idioteque"


def test_a_record_may_say_nothing_and_may_say_what_is_unknown() -> None:
    assert read_entry("é".encode(), b"{}") == Entry("é", TrackRecord())
    assert read_entry(b"t1", b'{"title": "Idioteque", "isrc": ["GBAYE0000792"]}').record == TrackRecord("Idioteque")


def test_a_null_value_withdraws_and_nothing_else_does() -> None:
    assert read_entry(b"t1", None).withdraws
    assert not read_entry(b"t1", b"{}").withdraws
    assert not read_entry(b"t1", b"null").withdraws
    assert not read_entry(b"t1", b"").withdraws


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        (None, b"{}", Cause.NULL_KEY),
        (b"", None, Cause.INVALID_TRACK_ID),
        (b"x" * 257, b"{}", Cause.INVALID_TRACK_ID),
        (b"\xff", None, Cause.INVALID_TRACK_ID),
        (b"t1", b"", Cause.NOT_JSON),
        (b"t1", b"title", Cause.NOT_JSON),
        (b"t1", b'{"title": "\xff"}', Cause.NOT_JSON),
        (b"t1", b"null", Cause.WRONG_TYPE),
        (b"t1", b'{"title": 7}', Cause.WRONG_TYPE),
        (b"t1", b'{"artists": "Radiohead"}', Cause.WRONG_TYPE),
        (b"t1", b'{"released": "last year"}', Cause.WRONG_TYPE),
        (b"t1", b'{"duration_ms": -1}', Cause.WRONG_TYPE),
        (b"t1", b'{"picture": "javascript:alert(1)"}', Cause.WRONG_TYPE),
        (b"t1", json.dumps({"title": "x" * 1025}).encode(), Cause.WRONG_TYPE),
        (b"t1", b" " * (MAX_RECORD_BYTES + 1), Cause.TOO_LARGE),
    ],
)
def test_a_bad_record_is_refused_with_its_cause(key: bytes | None, value: bytes | None, cause: Cause) -> None:
    entry = read_entry(key, value)

    assert entry.refusal is not None
    assert entry.refusal.cause is cause
    assert cause in CAUSES
    assert not entry.withdraws
    assert entry.track_id == ("t1" if key == b"t1" else "")


@given(key=st.none() | st.binary(max_size=300), value=st.none() | st.binary() | st.text().map(str.encode))
def test_whatever_the_bytes_they_are_read(key: bytes | None, value: bytes | None) -> None:
    entry = read_entry(key, value)

    assert bool(entry.track_id) == (entry.refusal is None or entry.refusal.cause not in CAUSES[:2])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_json_of_any_shape_is_read(value: object) -> None:
    assert read_entry(b"t1", msgspec.json.encode({"title": value})).track_id == "t1"
