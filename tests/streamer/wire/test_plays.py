"""Decoding plays: what is accepted, and the cause for which each kind of bad play is rejected."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import CONTEXTS
from models.plays.catalogue import track_key
from streamer.wire.messages import Cause
from streamer.wire.plays import (
    EARLIEST_MS,
    LATEST_MS,
    LOG_APPEND_TIME,
    MAX_AHEAD_MS,
    MAX_AHEAD_OF_PRODUCER_MS,
    MAX_PLAY_BYTES,
    Clock,
    Decoded,
    Reject,
    are_possible,
    check_played_at,
    decode,
)
from tests.cases.observations import Observe

NOW_MS = 1_795_469_401_000  # 2026-11-23
PLAY = {"user_id": "u17", "track_id": "t9", "played_at": NOW_MS}


def read(value: bytes | None, key: bytes | None = b"u17", timestamp_ms: int = NOW_MS) -> Decoded:
    return decode([key], [value], [timestamp_ms], [LOG_APPEND_TIME])


def read_play(**fields: Any) -> Decoded:
    return read(json.dumps(PLAY | fields).encode())


def only_reject(decoded: Decoded) -> Reject:
    assert len(decoded.plays) == 0
    (reject,) = decoded.rejects
    return reject


def test_a_play_becomes_a_row_of_each_column() -> None:
    value = json.dumps(PLAY | {"context": "radio", "ms_played": 9, "duration_ms": 10, "skipped": True}).encode()

    plays = read(value).plays

    assert plays.users == [b"u17"]
    assert plays.track_ids == ["t9"]
    assert plays.track_keys.tolist() == [track_key("t9")]
    assert plays.played_at_ms.tolist() == [NOW_MS]
    assert plays.contexts.tolist() == [CONTEXTS.index("radio")]
    assert plays.skipped.tolist() == [True]
    assert plays.forgets.tolist() == [False]


def test_columns_have_the_types_of_the_state_record() -> None:
    for plays in (read_play().plays, decode([], [], [], []).plays):
        arrays = (plays.index, plays.track_keys, plays.played_at_ms, plays.contexts, plays.skipped, plays.forgets)

        assert [array.dtype for array in arrays] == [np.int64, np.uint64, np.int64, np.uint8, np.bool_, np.bool_]


def test_bad_plays_are_set_aside_and_good_ones_keep_their_places() -> None:
    good = json.dumps(PLAY).encode()

    decoded = decode([b"u17"] * 4, [good, b"{", good, b"[]"], [NOW_MS] * 4, [0] * 4)

    assert decoded.plays.index.tolist() == [0, 2]
    assert [(reject.index, reject.cause) for reject in decoded.rejects] == [(1, Cause.NOT_JSON), (3, Cause.WRONG_TYPE)]


def test_a_null_value_forgets_its_listener() -> None:
    plays = read(None).plays

    assert plays.users == [b"u17"]
    assert plays.forgets.tolist() == [True]
    assert plays.played_at_ms.tolist() == [0]


@pytest.mark.parametrize("key", [b"", b"\xff", b"u" * 257])
def test_a_tombstone_needs_the_key_of_a_listener(key: bytes) -> None:
    assert only_reject(read(None, key)).cause is Cause.INVALID_USER_ID


@pytest.mark.parametrize(
    ("context", "code"), [(None, "none"), ("album", "album"), ("driving", "other"), ("", "other"), ("none", "none")]
)
def test_a_context_becomes_its_code(context: str | None, code: str) -> None:
    assert read_play(context=context).plays.contexts.tolist() == [CONTEXTS.index(code)]


def test_unknown_and_null_fields_do_no_harm() -> None:
    plays = read_play(device={"kind": "car"}, context=None, ms_played=None, duration_ms=None, skipped=None).plays

    assert plays.skipped.tolist() == [False]


@pytest.mark.parametrize(
    "time",
    ["2026-11-23T21:30:01Z", "2026-11-23T23:30:01+02:00", "2026-11-23T21:30:01.000Z", "2026-11-23T21:30:01.0004Z"],
)
def test_rfc_3339_becomes_milliseconds(time: str) -> None:
    assert read_play(played_at=time).plays.played_at_ms.tolist() == [NOW_MS]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"", Cause.NOT_JSON),
        (b"not json", Cause.NOT_JSON),
        (b'{"user_id": "u17"', Cause.NOT_JSON),
        (json.dumps(PLAY).encode() + b" trailing", Cause.NOT_JSON),
        (b'{"user_id": "\xff", "track_id": "t9", "played_at": 1}', Cause.NOT_JSON),
        (b'{"user_id": "\\ud800", "track_id": "t9", "played_at": 1}', Cause.NOT_JSON),
        (b'{"user_id": "u17", "track_id": "t9", "played_at": NaN}', Cause.NOT_JSON),
        (b'{"more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Cause.NOT_JSON),
        (b"null", Cause.WRONG_TYPE),
        (b"[]", Cause.WRONG_TYPE),
        (b"{}", Cause.MISSING_FIELD),
        (b" " * (MAX_PLAY_BYTES + 1), Cause.TOO_LARGE),
    ],
)
def test_a_value_that_is_not_a_play_is_rejected_for_its_cause(value: bytes, cause: Cause) -> None:
    assert only_reject(read(value)).cause is cause


@pytest.mark.parametrize("field", ["user_id", "track_id", "played_at"])
def test_a_missing_field_is_named(field: str) -> None:
    reject = only_reject(read(json.dumps({name: value for name, value in PLAY.items() if name != field}).encode()))

    assert reject.cause is Cause.MISSING_FIELD
    assert field in reject.reason


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": 17},
        {"track_id": None},
        {"played_at": True},
        {"played_at": float(NOW_MS) + 0.5},
        {"played_at": str(NOW_MS)},
        {"played_at": "2026-11-23T21:30:01"},
        {"context": 3},
        {"ms_played": -1},
        {"duration_ms": "long"},
        {"skipped": "yes"},
    ],
)
def test_a_field_of_another_type_is_named(fields: dict[str, Any]) -> None:
    reject = only_reject(read_play(**fields))

    assert reject.cause is Cause.WRONG_TYPE
    assert next(iter(fields)) in reject.reason


def test_a_key_that_differs_from_the_user_is_rejected() -> None:
    assert only_reject(read(json.dumps(PLAY).encode(), b"u18")).cause is Cause.KEY_MISMATCH
    assert only_reject(read(json.dumps(PLAY).encode(), None)).cause is Cause.NULL_KEY


def test_ids_are_measured_in_bytes() -> None:
    fits, too_long = "é" * 128, "é" * 128 + "x"

    assert len(read(json.dumps(PLAY | {"user_id": fits, "track_id": fits}).encode(), fits.encode()).plays) == 1
    assert only_reject(read_play(track_id=too_long)).cause is Cause.INVALID_TRACK_ID
    assert only_reject(read_play(track_id="")).cause is Cause.INVALID_TRACK_ID
    for user_id in (too_long, ""):
        decoded = read(json.dumps(PLAY | {"user_id": user_id}).encode(), user_id.encode())
        assert only_reject(decoded).cause is Cause.INVALID_USER_ID


@pytest.mark.parametrize("played_at", [EARLIEST_MS, NOW_MS + MAX_AHEAD_MS])
def test_times_at_the_edges_are_accepted(played_at: int) -> None:
    assert len(read_play(played_at=played_at).plays) == 1


@pytest.mark.parametrize(
    ("played_at", "hint"),
    [
        (EARLIEST_MS - 1, "before the year 2000"),
        (-1, "before the year 2000"),
        (NOW_MS + MAX_AHEAD_MS + 1, "1.0 hours ahead of the broker clock"),
        (NOW_MS + 30 * 86_400_000, "30 days ahead of the broker clock"),
        (NOW_MS + 4 * 366 * 86_400_000, "4 years ahead of the broker clock"),
        (NOW_MS // 1000, "looks like seconds"),
        (NOW_MS * 1000, "looks like microseconds"),
        (NOW_MS * 10**6, "looks like nanoseconds"),
        (10**400, "does not fit 64 bits"),
        (-(10**400), "does not fit 64 bits"),
        ("0001-01-01T00:00:00+14:00", "before the year 2000"),
        ("9999-12-31T23:59:59-14:00", "7973 years ahead"),
    ],
)
def test_an_impossible_time_is_rejected_with_what_to_check(played_at: int | str, hint: str) -> None:
    reject = only_reject(read_play(played_at=played_at))

    assert reject.cause is Cause.IMPOSSIBLE_TIME
    assert hint in reject.reason


@pytest.mark.kind(7)
@pytest.mark.parametrize(
    ("written", "timestamp_ms"),
    [
        ("without a timestamp", -1),
        ("in seconds", NOW_MS // 1000),
        ("in microseconds", NOW_MS * 1000),
        ("in nanoseconds", NOW_MS * 10**6),
        ("by an unset clock", 0),
        ("by a clock two days slow", NOW_MS - 2 * 86_400_000),
        ("by a clock a year fast", NOW_MS + 365 * 86_400_000),
        ("before Kafka had timestamps", None),
    ],
)
def test_a_good_play_is_accepted_whatever_its_producer_claims(
    written: str, timestamp_ms: int | None, observe: Observe
) -> None:
    good, future = (json.dumps(PLAY | {"played_at": at}).encode() for at in (NOW_MS, 4_070_908_800_000))

    decoded = decode([b"u17"] * 2, [good, future], [timestamp_ms] * 2, [0] * 2)

    assert decoded.plays.played_at_ms.tolist() == [NOW_MS]
    assert [(reject.index, reject.cause) for reject in decoded.rejects] == [(1, Cause.IMPOSSIBLE_TIME)]
    observe(f"written {written}: a good play is accepted, one of 2099 is a dead letter")


@pytest.mark.kind(7)
def test_a_time_far_ahead_of_the_producers_own_is_not_blamed_on_the_broker(observe: Observe) -> None:
    edge = NOW_MS + MAX_AHEAD_OF_PRODUCER_MS
    values = [json.dumps(PLAY | {"played_at": at}).encode() for at in (edge, edge + 1)]

    decoded = decode([b"u17"] * 2, values, [NOW_MS] * 2, [0] * 2)

    assert decoded.plays.index.tolist() == [0]
    (reject,) = decoded.rejects
    assert "is 7 days ahead of the CreateTime of its message" in reject.reason
    observe("played_at 7 days after the CreateTime: accepted; later: a dead letter that names the CreateTime")


@given(
    st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2 * NOW_MS), st.none() | st.just(NOW_MS), st.sampled_from(Clock)
)
def test_one_time_and_a_column_of_times_get_the_same_verdict(
    played_at_ms: int, against_ms: int | None, clock: Clock
) -> None:
    (possible,) = are_possible(np.array([played_at_ms]), against_ms, clock).tolist()

    assert possible is (check_played_at(played_at_ms, against_ms, clock) is None)


def test_a_time_that_nothing_can_be_compared_with_has_fixed_bounds() -> None:
    assert check_played_at(LATEST_MS, None) is None
    assert check_played_at(LATEST_MS + 1, None) == (
        f"played_at {LATEST_MS + 1} ms is after the year 2049; check the producer's clock"
    )


def test_times_are_checked_against_the_record_and_not_against_the_clock() -> None:
    value = json.dumps(PLAY | {"played_at": 4_000_000_000_000}).encode()  # the year 2096

    assert len(read(value, timestamp_ms=4_000_000_000_000).plays) == 1
    assert only_reject(read(value)).cause is Cause.IMPOSSIBLE_TIME


def test_a_reason_names_no_listener() -> None:
    secret = "listener-4711"
    bad: list[dict[str, object]] = [{"track_id": 1}, {"track_id": ""}, {"played_at": 1}, {"context": 1}]

    for fields in bad:
        value = json.dumps(PLAY | {"user_id": secret} | fields).encode()
        assert secret not in only_reject(read(value, secret.encode())).reason
    assert secret not in only_reject(read(json.dumps(PLAY | {"user_id": secret}).encode())).reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
near_plays = st.dictionaries(
    st.sampled_from(["user_id", "track_id", "played_at", "context", "ms_played", "duration_ms", "skipped", "more"]),
    json_values | st.integers(-(2**70), 2**70) | st.just("u17") | st.datetimes().map(str),
).map(lambda fields: json.dumps(PLAY | fields).encode())
torn_plays = st.tuples(near_plays, st.integers(0, 80), st.binary(max_size=4)).map(
    lambda torn: torn[0][: torn[1]] + torn[2] + torn[0][torn[1] + len(torn[2]) :]
)


@given(
    st.lists(
        st.tuples(
            st.none() | st.binary(max_size=300) | st.just(b"u17"),
            st.none() | st.binary() | near_plays | torn_plays,
            st.none() | st.integers(-1, 2**63 - 1),
            st.sampled_from([None, 0, LOG_APPEND_TIME]),
        ),
        max_size=3,
    )
)
def test_whatever_the_bytes_every_event_is_either_accepted_or_rejected(
    chunk: list[tuple[bytes | None, bytes | None, int | None, int | None]],
) -> None:
    keys, values, timestamps_ms, types = zip(*chunk, strict=True) if chunk else ((), (), (), ())

    decoded = decode(keys, values, timestamps_ms, types)

    indices = decoded.plays.index.tolist() + [reject.index for reject in decoded.rejects]
    assert sorted(indices) == list(range(len(chunk)))
    assert all(len(reject.reason) < 300 for reject in decoded.rejects)
    for place, index in enumerate(decoded.plays.index.tolist()):
        assert decoded.plays.users[place] == keys[index]
        assert decoded.plays.played_at_ms[place] >= EARLIEST_MS or decoded.plays.forgets[place]


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60), st.integers(EARLIEST_MS, NOW_MS))
def test_a_play_is_read_as_a_producer_encoded_it(user_id: str, track_id: str, played_at: int) -> None:
    value = msgspec.json.encode({"user_id": user_id, "track_id": track_id, "played_at": played_at})

    plays = read(value, user_id.encode()).plays

    assert (plays.users, plays.track_ids) == ([user_id.encode()], [track_id])
    assert plays.track_keys.tolist() == [track_key(track_id)]
    assert plays.played_at_ms.tolist() == [played_at]
