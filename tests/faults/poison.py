"""Poison: plays that are wrong in every way a producer can be wrong, among good ones that only look wrong.

Each kind is made from a good play, so it is known by construction whether the record is a play, and for which causes
it may be rejected; nothing here reads JSON. If a record has two faults, either cause is right.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from streamer.wire.letters import MAX_DEAD_VALUE_BYTES
from streamer.wire.messages import MAX_ID_BYTES, Cause
from streamer.wire.plays import EARLIEST_MS, MAX_PLAY_BYTES
from tests.faults.load import NUM_PARTITIONS
from tests.faults.strange import (
    LISTENERS,
    Draw,
    Fields,
    Strange,
    draw_play,
    good_plays,
    home,
    json_values,
    write_play,
)

#: Ahead of any broker's clock.
_AHEAD_MS: Final = 4_000_000_000_000


@dataclass(frozen=True, slots=True)
class _Bad:
    """A good play, made bad."""

    key: bytes | None
    value: bytes | None
    causes: frozenset[Cause]


def draw_poisons(num_common: int, num_bulky: int, seed_number: int) -> list[Strange]:
    """Draw records determined by a seed."""
    drawn = [*_collect(common_poisons(), num_common, seed_number), *_collect(bulky_poisons(), num_bulky, seed_number)]
    random.Random(seed_number).shuffle(drawn)
    return drawn


def _collect(strategy: st.SearchStrategy[Strange], num: int, seed_number: int) -> list[Strange]:
    """Draw without a test: hypothesis has no other way to draw from a seed."""
    drawn: list[Strange] = []

    @seed(seed_number)
    @settings(
        max_examples=num,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(poison: Strange) -> None:
        drawn.append(poison)

    collect()
    return drawn


# -- text that is not JSON


def _truncated(draw: Draw, user: str, fields: Fields) -> _Bad:
    value = write_play(draw, fields).rstrip()
    return _bad(user, value[: draw(st.integers(0, len(value) - 1))], Cause.NOT_JSON)


def _with_something_around(draw: Draw, user: str, fields: Fields) -> _Bad:
    value = write_play(draw, fields)
    before = st.sampled_from([b"\xef\xbb\xbf", b"\0", b"\0\0\0\0\x01", b"\x1e", b"//", b",", b"\xa0", b"data: "])
    after = st.sampled_from([b"\0", b"}", b",", b"{}", value, b"\xef\xbb\xbf", b"#", b"\x0b", b"x"])
    whole = draw(before) + value if draw(st.booleans()) else value + draw(after)
    return _bad(user, whole, Cause.NOT_JSON)


def _encoded_otherwise(draw: Draw, user: str, fields: Fields) -> _Bad:
    encodings: list[Callable[[bytes], bytes]] = [
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.decode().encode("utf-16-be"),
        lambda text: text.decode().encode("utf-32-le"),
        lambda text: gzip.compress(text, mtime=0),
        base64.b64encode,
        lambda text: b"\\x" + text.hex().encode(),
    ]
    return _bad(user, draw(st.sampled_from(encodings))(write_play(draw, fields).strip()), Cause.NOT_JSON)


def _binary(draw: Draw, user: str, _: Fields) -> _Bad:
    return _bad(user, draw(st.integers(0x80, 0xFF)).to_bytes() + draw(st.binary(max_size=200)), Cause.NOT_JSON)


def _as_python_writes(_: Draw, user: str, fields: Fields) -> _Bad:
    return _bad(user, str(fields).encode(), Cause.NOT_JSON)


def _with_text_that_is_none(draw: Draw, user: str, fields: Fields) -> _Bad:
    """Put into a string what UTF-8 or JSON forbids: torn, overlong, surrogate, raw control, unknown escape."""
    broken = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\n", b"\0", b"\\x41", b"\\u12",
              b"\\ud800", b"\\udc00", b"\\ud800x", b"\\udfff\\ud800", b"\\'"]  # fmt: skip
    field = draw(st.sampled_from(["user_id", "track_id", "context"]))
    value = write_play(draw, fields | {field: "<here>"}).replace(b"<here>", draw(st.sampled_from(broken)))
    return _bad(user, value, Cause.NOT_JSON)


def _with_a_number_that_is_none(draw: Draw, user: str, fields: Fields) -> _Bad:
    numbers = [b"NaN", b"Infinity", b"-Infinity", b"+1", b"01", b".5", b"0x1F", b"1_000", b"--1", b"-", b"True",
               b"None", b"undefined", b"1600000000000L", b"1,600,000"]  # fmt: skip
    field = draw(st.sampled_from(["played_at", "ms_played", "duration_ms"]))
    value = write_play(draw, fields | {field: "<here>"}).replace(b'"<here>"', draw(st.sampled_from(numbers)))
    return _bad(user, value, Cause.NOT_JSON)


# -- JSON that is not a play


def _no_object(draw: Draw, user: str, fields: Fields) -> _Bad:
    other = json_values.filter(lambda value: not isinstance(value, dict)) | st.just([fields]) | st.just(str(fields))
    return _bad(user, json.dumps(draw(other)).encode(), Cause.WRONG_TYPE)


def _without_a_field(draw: Draw, user: str, fields: Fields) -> _Bad:
    required = ["user_id", "track_id", "played_at"]
    misspelt: list[Callable[[str], str]] = [str.upper, str.title, lambda name: name + " "]
    for name in draw(st.lists(st.sampled_from(required), min_size=1, unique=True)):
        value = fields.pop(name)
        if draw(st.booleans()):
            fields[draw(st.sampled_from(misspelt))(name)] = value
    return _bad(user, write_play(draw, fields), Cause.MISSING_FIELD)


_scalars: Final[dict[str, st.SearchStrategy[Any]]] = {
    "null": st.none(),
    "bool": st.booleans(),
    "int": st.integers(-(2**70), 2**70),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "text": st.text(max_size=20),
    "no time": st.sampled_from(
        ["", "now", "1600000000000", "2020-09-13", "2020-09-13T12:26:40", "13.09.2020 12:26", "2020-02-30T00:00:00Z",
         "2020-09-13T12:26:60Z", "2020-09-13T24:00:00Z", "2020-09-13T12:26:40+25:00", "Sun, 13 Sep 2020 12:26:40 GMT"]
    ),
    "list": st.lists(st.text(max_size=3), max_size=3),
    "object": st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
}  # fmt: skip
_WRONG: Final = {
    "user_id": ["null", "bool", "int", "float", "list", "object"],
    "track_id": ["null", "bool", "int", "float", "list", "object"],
    "played_at": ["null", "bool", "no time", "list", "object"],
    "context": ["bool", "int", "float", "list", "object"],
    "ms_played": ["bool", "text", "list", "object"],
    "duration_ms": ["bool", "text", "list", "object"],
    "skipped": ["int", "float", "text", "list", "object"],
}


def _of_another_type(draw: Draw, user: str, fields: Fields) -> _Bad:
    for name in draw(st.lists(st.sampled_from(sorted(_WRONG)), min_size=1, max_size=3, unique=True)):
        fields[name] = draw(_scalars[draw(st.sampled_from(_WRONG[name]))])
    return _bad(user, write_play(draw, fields), Cause.WRONG_TYPE)


def _of_a_number_out_of_range(draw: Draw, user: str, fields: Fields) -> _Bad:
    field = draw(st.sampled_from(["ms_played", "duration_ms"]))
    fields[field] = draw(st.integers(-(2**70), -1) | st.floats(0.1, 0.9))
    return _bad(user, write_play(draw, fields), Cause.WRONG_TYPE)


def _of_a_number_as_long_as_a_book(draw: Draw, user: str, fields: Fields) -> _Bad:
    field = draw(st.sampled_from(["played_at", "ms_played"]))
    digits = b"-" * draw(st.booleans()) + b"9" * draw(st.integers(4301, 9000))
    value = write_play(draw, fields | {field: "<here>"}).replace(b'"<here>"', digits)
    return _bad(user, value, Cause.WRONG_TYPE, Cause.IMPOSSIBLE_TIME)


# -- impossible plays


def _at_an_impossible_time(draw: Draw, user: str, fields: Fields) -> _Bad:
    at_ms = fields["played_at"]
    fields["played_at"] = draw(
        st.sampled_from([0, at_ms // 1000, at_ms * 1000, at_ms * 10**6, -at_ms, EARLIEST_MS - 1, 10**400, -(10**4200)])
        | st.integers(-(2**70), EARLIEST_MS - 1)
        | st.integers(_AHEAD_MS, 2**70)
        | st.sampled_from(["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999-12:00"])
    )
    return _bad(user, write_play(draw, fields), Cause.IMPOSSIBLE_TIME)


def _of_nobody(draw: Draw, _: str, fields: Fields) -> _Bad:
    user = draw(_no_ids)
    return _bad(user, write_play(draw, fields | {"user_id": user}), Cause.INVALID_USER_ID)


def _of_no_track(draw: Draw, user: str, fields: Fields) -> _Bad:
    return _bad(user, write_play(draw, fields | {"track_id": draw(_no_ids)}), Cause.INVALID_TRACK_ID)


_no_ids = st.just("") | st.integers(MAX_ID_BYTES + 1, 3000).map("x".__mul__) | st.just("音" * (MAX_ID_BYTES // 3 + 1))


def _without_a_key(draw: Draw, user: str, fields: Fields) -> _Bad:
    makers = [_truncated, _of_another_type, _at_an_impossible_time, _of_nobody]
    value = draw(st.sampled_from(makers))(draw, user, fields).value if draw(st.booleans()) else write_play(draw, fields)
    return _Bad(None, value, frozenset({Cause.NULL_KEY}))


def _with_the_key_of_another(draw: Draw, user: str, fields: Fields) -> _Bad:
    own = user.encode()
    keys = [b"", own + b" ", b" " + own, own + b"\0", b'"' + own + b'"', b"\xef\xbb\xbf" + own, user.encode("utf-16"),
            own * 7, b"\xff\xfe", crc32(own).to_bytes(8), b"k" * 5000]  # fmt: skip
    other = st.sampled_from(keys) | st.binary(max_size=40)
    return replace(
        _bad(user, write_play(draw, fields), Cause.KEY_MISMATCH), key=draw(other.filter(lambda key: bool(key != own)))
    )


def _wrong_in_two_ways(draw: Draw, user: str, fields: Fields) -> _Bad:
    makers = [_without_a_field, _of_another_type, _at_an_impossible_time, _of_no_track, _truncated]
    bad: _Bad = draw(st.sampled_from(makers))(draw, user, fields)
    assert bad.key is not None
    return replace(bad, key=bad.key + b"?", causes=bad.causes | {Cause.KEY_MISMATCH})


def _forgetting_nobody(draw: Draw, *_: object) -> _Bad:
    keys = [b"", b"\xff", b"\xed\xa0\x80", b"u" * (MAX_ID_BYTES + 1), b"\xe2\x82", b"k" * 5000]
    return _Bad(draw(st.sampled_from(keys)), None, frozenset({Cause.INVALID_USER_ID}))


# -- plays that are large


def _too_large(draw: Draw, user: str, fields: Fields) -> _Bad:
    size = draw(st.integers(MAX_PLAY_BYTES + 1, MAX_PLAY_BYTES * 5 // 4))
    return _bad(user, write_play(draw, fields).ljust(size), Cause.TOO_LARGE)


def _bottomless(draw: Draw, user: str, fields: Fields) -> _Bad:
    """Nest deeper than any reader goes, in a field that is not needed."""
    opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"":', b"}")]))
    depth = draw(st.integers(100_000, 130_000))
    nested = opening * depth + b"0" + closing * depth
    return _bad(user, write_play(draw, fields | {"more": "<here>"}).replace(b'"<here>"', nested), Cause.NOT_JSON)


def _large_and_torn(draw: Draw, user: str, fields: Fields) -> _Bad:
    size = draw(st.integers(MAX_DEAD_VALUE_BYTES - 1, MAX_DEAD_VALUE_BYTES * 3))
    return _bad(user, write_play(draw, fields | {"more": "x" * size}).rstrip()[:-1], Cause.NOT_JSON)


@st.composite
def _large_and_good(draw: Draw) -> Strange:
    play: Strange = draw(good_plays())
    size = draw(st.integers(MAX_DEAD_VALUE_BYTES, MAX_PLAY_BYTES) | st.just(MAX_PLAY_BYTES))
    assert play.value is not None
    return replace(play, value=play.value.ljust(size), kind="large and good")


# -- all kinds


_COMMON: Final = (
    _truncated, _with_something_around, _encoded_otherwise, _binary, _as_python_writes, _with_text_that_is_none,
    _with_a_number_that_is_none, _no_object, _without_a_field, _of_another_type, _of_a_number_out_of_range,
    _of_a_number_as_long_as_a_book, _at_an_impossible_time, _of_nobody, _of_no_track, _without_a_key,
    _with_the_key_of_another, _wrong_in_two_ways, _forgetting_nobody,
)  # fmt: skip
_BULKY: Final = (_too_large, _bottomless, _large_and_torn)
_Kind = Callable[[Draw, str, Fields], _Bad]


def common_poisons() -> st.SearchStrategy[Strange]:
    """Draw good plays and tombstones about as often as bad plays of all kinds."""
    forgotten = st.sampled_from(LISTENERS).map(lambda user: Strange(home(user), user.encode(), None, kind="forgets"))
    bad = st.one_of(*map(_bad_plays, _COMMON))
    return st.sampled_from([*[bad] * 10, *[good_plays()] * 9, forgotten]).flatmap(lambda drawn: drawn)


def bulky_poisons() -> st.SearchStrategy[Strange]:
    """Draw records of 64 KiB to 1.25 MiB."""
    return st.one_of(*map(_bad_plays, _BULKY), _large_and_good())


@st.composite
def _bad_plays(draw: Draw, kind: _Kind) -> Strange:
    user, fields = draw_play(draw)
    bad = kind(draw, user, fields)
    partition = draw(st.integers(0, NUM_PARTITIONS - 1))
    return Strange(partition, bad.key, bad.value, kind=kind.__name__.strip("_").replace("_", " "), causes=bad.causes)


def _bad(user: str, value: bytes, *causes: Cause) -> _Bad:
    return _Bad(user.encode(), value, frozenset(causes))
