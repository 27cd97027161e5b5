"""A chunk of plays, read from bytes into columns.

Law 5: `decode` never raises. A bad play becomes a `Reject` beside the good ones, so it costs one message. The verdict
depends only on the record, including its Kafka timestamp, and never on the clock: a replay reaches the same verdict.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.config import CONTEXTS
from models.plays.catalogue import track_key
from streamer.wire.messages import MAX_ID_BYTES, Cause, Play

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

MAX_PLAY_BYTES: Final = 1 << 20  # more is junk, and is not even parsed
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01: earlier times come from unset clocks, or are in seconds
LATEST_MS: Final = 2_524_608_000_000  # 2050-01-01: later times are placeholders such as 2099, or in microseconds
MAX_AHEAD_MS: Final = 3_600_000  # phone clocks drift by minutes; an hour is a wrong time zone
MAX_AHEAD_OF_PRODUCER_MS: Final = 7 * 86_400_000  # nobody knows which of a producer's two times is wrong

#: Kafka's `message.timestamp.type` LogAppendTime, in a record: the broker wrote the timestamp. 0 is CreateTime.
LOG_APPEND_TIME: Final = 1


class Clock(Enum):
    """Whose clock `played_at` is compared with: its name, and how many ms `played_at` may be ahead of it."""

    BROKER = ("the broker clock", MAX_AHEAD_MS)
    PRODUCER = ("the CreateTime of its message", MAX_AHEAD_OF_PRODUCER_MS)
    OURS = ("the clock of this machine", MAX_AHEAD_MS)


@dataclass(frozen=True, slots=True)
class PlayColumns:
    """The n accepted events of a chunk of `plays`, in order.

    Attributes:
        index: int64 (n,), positions in the chunk, ascending.
        users: the user ids in UTF-8, which are the keys of the messages.
        track_ids: empty where `forgets`.
        track_keys: uint64 (n,), models.plays.catalogue.track_key; 0 where `forgets`.
        played_at_ms: int64 (n,), ms since the epoch; 0 where `forgets`.
        contexts: uint8 (n,), indices of models.config.CONTEXTS.
        skipped: bool (n,).
        forgets: bool (n,), a tombstone: not a play, but a request to be forgotten.
    """

    index: NDArray[np.int64]
    users: list[bytes]
    track_ids: list[str]
    track_keys: NDArray[np.uint64]
    played_at_ms: NDArray[np.int64]
    contexts: NDArray[np.uint8]
    skipped: NDArray[np.bool_]
    forgets: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return n."""
        return len(self.users)


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected play.

    Attributes:
        index: its position in the chunk.
        cause: the stable code.
        reason: a sentence for those who fix the producer; names no listener.
    """

    index: int
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded chunk: each event is either in `plays` or in `rejects`."""

    plays: PlayColumns
    rejects: list[Reject]


def decode_records(records: "Sequence[ConsumerRecord[bytes, bytes]]") -> Decoded:
    """Read a chunk of plays as the consumer delivers it; never raises, whatever the bytes."""
    return decode(
        [record.key for record in records],
        [record.value for record in records],
        [record.timestamp for record in records],
        [record.timestamp_type for record in records],
    )


def decode(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    timestamps_ms: Sequence[int | None],
    timestamp_types: Sequence[int | None],
) -> Decoded:
    """Read a chunk of plays; never raises, whatever the bytes.

    Args:
        keys: of the records, as received.
        values: of the records, as received; None is a tombstone.
        timestamps_ms: Kafka's timestamps, as received, against which `played_at` is checked; -1 or None is none.
        timestamp_types: LOG_APPEND_TIME where the broker wrote it; otherwise the producer says what it likes.
    """
    rows: list[_Row] = []
    rejects: list[Reject] = []
    records = zip(keys, values, timestamps_ms, timestamp_types, strict=True)
    for index, (key, value, timestamp_ms, timestamp_type) in enumerate(records):
        try:
            rows.append(_read(index, key, value, timestamp_ms, timestamp_type))
        except _RejectError as exc:
            rejects.append(Reject(index, exc.cause, exc.reason))
    return Decoded(_columns(rows), rejects)


def check_played_at(played_at_ms: int, against_ms: int | None, clock: Clock = Clock.BROKER) -> str | None:
    """Say why a play cannot have happened at a time; None if it can.

    What the topic refuses, files refuse: this and `are_possible` decide for both.

    Args:
        played_at_ms: since the epoch, of any size.
        against_ms: what `clock` said when the play was sent; None if nobody knows.
        clock: whose it is.
    """
    latest_ms = _latest_ms(against_ms, clock)
    if EARLIEST_MS <= played_at_ms <= latest_ms:
        return None
    return _time_reason(played_at_ms, against_ms, clock, latest_ms)


def are_possible(
    played_at_ms: NDArray[np.int64], against_ms: int | None, clock: Clock = Clock.BROKER
) -> NDArray[np.bool_]:
    """Mark the times at which a play can have happened, as `check_played_at` decides: bool, as long as the times."""
    possible: NDArray[np.bool_] = (played_at_ms >= EARLIEST_MS) & (played_at_ms <= _latest_ms(against_ms, clock))
    return possible


def check_id(name: bytes, field: str) -> str | None:
    """Say why a name in UTF-8 is no id of a listener or a track; None if it is. It decides for topic and files."""
    if 1 <= len(name) <= MAX_ID_BYTES:
        return None
    return f"{field} has {len(name)} bytes; it must have 1 to {MAX_ID_BYTES}"


def plausible_ms(timestamp_ms: int | None, timestamp_type: int | None) -> int | None:
    """Return a record's timestamp if it can be when the record was written; None if it is no time in milliseconds.

    A broker's is believed. A producer's may be missing, in seconds or microseconds, or from an unset clock.
    """
    if timestamp_type == LOG_APPEND_TIME or (timestamp_ms is not None and EARLIEST_MS <= timestamp_ms <= LATEST_MS):
        return timestamp_ms
    return None


_Row = tuple[int, bytes, str, int, int, int, bool, bool]  # the fields of PlayColumns, in order
_parse = msgspec.json.Decoder(Play).decode
_track_key = functools.lru_cache(maxsize=1 << 17)(track_key)  # about 30 MB; few tracks make up most plays
_OTHER: Final = CONTEXTS.index("other")
_CONTEXT_CODES: Final[dict[str | None, int]] = {None: 0} | {context: code for code, context in enumerate(CONTEXTS)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class _RejectError(Exception):
    """Carries a cause to `decode`, and no further."""

    def __init__(self, cause: Cause, reason: str) -> None:
        self.cause, self.reason = cause, reason


def _read(
    index: int, key: bytes | None, value: bytes | None, timestamp_ms: int | None, timestamp_type: int | None
) -> _Row:
    if key is None:
        raise _RejectError(Cause.NULL_KEY, "the message has no key; key every play by its user_id in UTF-8")
    if value is None:
        return index, _tombstone_key(key), "", 0, 0, 0, False, True
    if len(value) > MAX_PLAY_BYTES:
        raise _RejectError(Cause.TOO_LARGE, f"the message has {len(value)} bytes; a play has at most {MAX_PLAY_BYTES}")
    try:
        play = _parse(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _parse_error(exc) from None
    user, track_id, played_at = play.user_id.encode(), play.track_id, play.played_at
    track = track_id.encode()
    if not (1 <= len(user) <= MAX_ID_BYTES and 1 <= len(track) <= MAX_ID_BYTES):
        _require_id(user, "user_id", Cause.INVALID_USER_ID)
        _require_id(track, "track_id", Cause.INVALID_TRACK_ID)
    if user != key:
        raise _RejectError(Cause.KEY_MISMATCH, "the key differs from user_id; key every play by its user_id in UTF-8")
    played_at_ms = played_at if isinstance(played_at, int) else (played_at - _EPOCH) // _MILLISECOND
    if timestamp_ms is None or not EARLIEST_MS <= played_at_ms <= timestamp_ms <= LATEST_MS:  # a short cut for most
        _require_possible(played_at_ms, timestamp_ms, timestamp_type)
    context = _CONTEXT_CODES.get(play.context, _OTHER)
    return index, key, track_id, _track_key(track_id), played_at_ms, context, play.skipped is True, False


def _require_id(name: bytes, field: str, cause: Cause) -> None:
    if reason := check_id(name, field):
        raise _RejectError(cause, reason)


def _require_possible(played_at_ms: int, timestamp_ms: int | None, timestamp_type: int | None) -> None:
    clock = Clock.BROKER if timestamp_type == LOG_APPEND_TIME else Clock.PRODUCER
    if reason := check_played_at(played_at_ms, plausible_ms(timestamp_ms, timestamp_type), clock):
        raise _RejectError(Cause.IMPOSSIBLE_TIME, reason)


def _tombstone_key(key: bytes) -> bytes:
    _require_id(key, "the key of a tombstone", Cause.INVALID_USER_ID)
    try:
        key.decode()
    except UnicodeDecodeError:
        raise _RejectError(Cause.INVALID_USER_ID, "the key of a tombstone is not UTF-8; it must be a user_id") from None
    return key


def _parse_error(exc: Exception) -> _RejectError:
    """Derive the cause from msgspec's message; the tests pin its wording."""
    reason = str(exc)
    if not isinstance(exc, msgspec.ValidationError):
        return _RejectError(Cause.NOT_JSON, reason)
    missing = reason.startswith("Object missing required field")
    return _RejectError(Cause.MISSING_FIELD if missing else Cause.WRONG_TYPE, reason)


def _latest_ms(against_ms: int | None, clock: Clock) -> int:
    return LATEST_MS if against_ms is None else min(against_ms + clock.value[1], (1 << 63) - 1)


def _time_reason(played_at_ms: int, against_ms: int | None, clock: Clock, latest_ms: int) -> str:
    if abs(played_at_ms) >> 63:
        return "played_at does not fit 64 bits; send milliseconds since the epoch"
    units = {"seconds": played_at_ms * 1000, "microseconds": played_at_ms // 1000, "nanoseconds": played_at_ms // 10**6}
    for unit, in_ms in units.items():
        if EARLIEST_MS <= in_ms <= latest_ms:
            return f"played_at {played_at_ms} looks like {unit}; send milliseconds since the epoch"
    if played_at_ms < EARLIEST_MS:
        return f"played_at {played_at_ms} ms is before the year 2000; check the producer's clock"
    if against_ms is None:
        return f"played_at {played_at_ms} ms is after the year 2049; check the producer's clock"
    ahead = _span(played_at_ms - against_ms)
    return f"played_at {played_at_ms} ms is {ahead} ahead of {clock.value[0]}; check the producer's time zone and clock"


def _span(span_ms: int) -> str:
    hours = span_ms / 3_600_000
    for unit, hours_each in (("years", 24 * 365.25), ("days", 24)):
        if hours >= 2 * hours_each:
            return f"{hours / hours_each:.0f} {unit}"
    return f"{hours:.1f} hours"


def _columns(rows: list[_Row]) -> PlayColumns:
    transposed = zip(*rows, strict=True) if rows else ((),) * 8
    index, users, track_ids, track_keys, played_at_ms, contexts, skipped, forgets = transposed
    return PlayColumns(
        np.array(index, np.int64),
        list(users),
        list(track_ids),
        np.array(track_keys, np.uint64),
        np.array(played_at_ms, np.int64),
        np.array(contexts, np.uint8),
        np.array(skipped, np.bool_),
        np.array(forgets, np.bool_),
    )
