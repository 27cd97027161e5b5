"""Strange records: good plays and tombstones, written and named in every way that a producer may choose."""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

from models.config import CONTEXTS
from streamer.wire.messages import MAX_ID_BYTES, Cause, Play
from streamer.wire.plays import EARLIEST_MS
from tests.faults.load import EPOCH_MS, NUM_PARTITIONS, TRACKS, Event

#: Earlier than any broker's clock.
LATEST_MS: Final = EPOCH_MS + 100_000_000_000

#: Ids that some layer might mistake for its own, or fail to carry.
LISTENERS: Final = (
    *(f"u{number}" for number in range(12)),
    "\0", "\n", " ", '"', "\\", "null", "0", "m", "l", "__faust\0offset__", "../..", "%s%n", "\x1b[2J", "\ufeff", "u1 ",
    "U1", "é", "e\u0301", "音楽", "🎧" * (MAX_ID_BYTES // 4), "\u202eu", "x" * MAX_ID_BYTES, "\U0010ffff", "{}", "NaN",
    "u\0",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Strange(Event):
    """A record, and whether it must be accepted.

    Attributes:
        kind: what is strange about it.
        causes: it must be rejected for one of them; if empty, it must be accepted.
    """

    kind: str = ""
    causes: frozenset[Cause] = frozenset()

    @property
    def forgets(self) -> bool:
        """Whether it is a tombstone with the key of a listener."""
        return self.value is None and not self.causes


Draw = Callable[[st.SearchStrategy[Any]], Any]
Fields = dict[str, Any]


_contexts = st.sampled_from([None, *CONTEXTS]) | st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
_tracks = st.sampled_from(TRACKS) | st.sampled_from(LISTENERS)
_unknown_names = st.text(max_size=9).filter(lambda name: name not in Play.__struct_fields__)
_durations = st.none() | st.integers(0, 2**70)


@st.composite
def good_plays(draw: Draw) -> Strange:
    """Draw plays that must be accepted, however strangely they are written."""
    user, fields = draw_play(draw)
    track_id, played_at_ms = fields["track_id"], fields["played_at"]
    context, skipped = fields.get("context"), fields.get("skipped") is True
    if draw(st.booleans()):
        fields["played_at"] = _rfc_3339(draw, played_at_ms)
    unknown = draw(st.dictionaries(_unknown_names, json_values, max_size=2))
    value = write_play(draw, {**unknown, **fields})
    if draw(st.booleans()):
        value = _twice(draw, user, value)
    code = 0 if context is None else CONTEXTS.index(context) if context in CONTEXTS else CONTEXTS.index("other")
    return Strange(
        home(user), user.encode(), value, track_id, played_at_ms, code, skipped, kind="good"
    )  # fmt: skip


def draw_play(draw: Draw) -> tuple[str, Fields]:
    """Draw the fields of a good play; unlikely ones are as likely as others."""
    user = draw(st.sampled_from(LISTENERS))
    fields: Fields = {"user_id": user, "track_id": draw(_tracks)}
    fields["played_at"] = draw(st.integers(EARLIEST_MS, LATEST_MS) | st.sampled_from([EARLIEST_MS, LATEST_MS]))
    optional = {"context": _contexts, "ms_played": _durations, "duration_ms": _durations,
                "skipped": st.none() | st.booleans()}  # fmt: skip
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True)):
        fields[name] = draw(optional[name])
    return user, fields


def _rfc_3339(draw: Draw, at_ms: int) -> str:
    zone = timezone(timedelta(minutes=draw(st.integers(-23 * 60 - 59, 23 * 60 + 59))))
    time = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(zone)
    text = time.isoformat(timespec=draw(st.sampled_from(["milliseconds", "microseconds"])))
    return text.replace("+00:00", "Z") if draw(st.booleans()) else text


def write_play(draw: Draw, fields: Fields) -> bytes:
    """Write JSON in one of its many forms."""
    ordered = dict(draw(st.permutations(list(fields.items()))))
    text = json.dumps(ordered, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 3])))
    space = st.text(" \t\r\n", max_size=3)
    spaced: str = draw(space) + text + draw(space)
    return spaced.encode()


def _twice(draw: Draw, user: str, value: bytes) -> bytes:
    """Write a field twice; the last one counts, as in every JSON reader we know."""
    first = draw(st.sampled_from([b'"user_id":"', b'"track_id":"'])) + json.dumps(user + "?")[1:].encode()
    return value.replace(b"{", b"{" + first + b",", 1)


def home(user: str) -> int:
    return crc32(user.encode()) % NUM_PARTITIONS
