"""The lists of a batch, written as JSON by one kernel.

Encoding lists object by object costs more than everything before it. Here ids are copied from the catalogue, and scores
from prepared texts: they lie between 0 and 1 and have four decimals. The bytes are those of
`msgspec.json.encode(Recommendation(...))`.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, inlined
from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.track_ids import TrackIds
from streamer.wire.blobs import Blobs
from streamer.wire.messages import Horizon
from streamer.wire.puts import Bytes, put_bytes, put_decimal, put_json_string

Int64s = NDArray[np.int64]

_TICKS: Final = 10_000  # scores are rounded to 1e-4, but never to 0, so that readers can take logarithms
_SCORES: Final = Blobs.of([b""] + [msgspec.json.encode(ticks / _TICKS) for ticks in range(1, _TICKS + 1)])
_TRACK: Final = np.frombuffer(b'{"track_id":', np.uint8)
_SCORE: Final = np.frombuffer(b',"score":', np.uint8)
_QUOTE, _COMMA, _CLOSE = (np.uint8(ord(letter)) for letter in '",}')
_CHECKED_AT_ONCE: Final = 1 << 20
_NUMBERS: Final = 4
_NUMBERS_BYTES: Final = _NUMBERS * 20  # the longest int64 has as many digits


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where each of A answers comes from.

    Attributes:
        users: the listeners' ids in UTF-8.
        plays_seen: int64 (A,), plays of the listener up to and including the source play.
        source_partitions: int64 (A,), partition of the source play.
        source_offsets: int64 (A,), offset of the source play.
        played_at_ms: int64 (A,), time of the source play, ms since the epoch.
        release: the release that ranked the tracks.
        emitted_at_ms: when the batch was written, ms since the epoch.
    """

    users: Blobs
    plays_seen: Int64s
    source_partitions: Int64s
    source_offsets: Int64s
    played_at_ms: Int64s
    release: str
    emitted_at_ms: int


class ListEncoder:
    """Writes answers over one catalogue."""

    def __init__(self, track_ids: TrackIds) -> None:
        """Write tracks of a catalogue whose row r is `track_ids[r - FIRST_TRACK]`."""
        self._ids = track_ids
        self._is_plain = not any(
            _has_escapes(track_ids.utf8[begin : begin + _CHECKED_AT_ONCE])
            for begin in range(0, len(track_ids.utf8), _CHECKED_AT_ONCE)
        )

    def encode(self, horizon: Horizon, rows: Int64s, scores: NDArray[np.float32], lineage: Lineage) -> Blobs:
        """Write one recommendation per answer.

        Args:
            horizon: of all the lists.
            rows: int64 (A, k), rows of the catalogue, best first; PAD marks an empty place and is left out.
            scores: float32 (A, k), 0 to 1, written with four decimals, at least 0.0001; any value at empty places.
            lineage: of the A answers.

        Raises:
            ValueError: rows and lineage do not belong together.
        """
        columns = lineage.plays_seen, lineage.source_partitions, lineage.source_offsets, lineage.played_at_ms
        numbers = np.stack(columns, axis=1)  # (A, 4)
        if not len(rows) == len(scores) == len(lineage.users) == len(numbers):
            raise ValueError(f"{len(rows)} lists and {len(lineage.users)} users are not of the same answers")
        ticks = np.rint(scores.astype(np.float64) * _TICKS).clip(1, _TICKS).astype(np.int64)  # (A, k)
        frame, ids, users = _frame(horizon, lineage), self._ids, lineage.users
        room = _room(rows, ids.starts, 1 if self._is_plain else 6, users.bounds, int(frame.bounds[-1]))
        joined, bounds = np.empty(room, np.uint8), np.zeros(len(rows) + 1, np.int64)
        _write_lists(
            joined, bounds, np.ascontiguousarray(rows), ticks, numbers, frame.joined, frame.bounds,
            users.joined, users.bounds, ids.utf8, ids.starts, self._is_plain, _SCORES.joined, _SCORES.bounds,
        )  # fmt: skip
        return Blobs.all_present(joined, bounds)


def _has_escapes(utf8: Bytes) -> bool:
    return bool(((utf8 < 0x20) | (utf8 == _QUOTE) | (utf8 == ord("\\"))).any())


def _frame(horizon: Horizon, lineage: Lineage) -> Blobs:
    """Return what is the same in all answers: the texts before user, tracks, four numbers, and the end."""
    release = msgspec.json.encode(lineage.release)
    return Blobs.of(
        [
            b'{"user_id":',
            b',"horizon":"' + horizon.encode() + b'","tracks":[',
            b'],"release":' + release + b',"plays_seen":',
            b',"source_partition":',
            b',"source_offset":',
            b',"played_at":',
            b',"emitted_at":%d}' % lineage.emitted_at_ms,
        ]
    )


@compiled
def _room(rows: Int64s, id_bounds: Int64s, escaped_size: int, user_bounds: Int64s, frame_size: int) -> int:
    """Return as many bytes as the answers may have; each byte of an id may become `escaped_size`."""
    num_answers, num_places = rows.shape
    room = num_answers * (frame_size + _NUMBERS_BYTES + 2) + 6 * int(user_bounds[-1] - user_bounds[0])
    room += num_answers * num_places * 40  # what is around an id, and a score
    for answer in range(num_answers):
        for place in range(num_places):
            row = rows[answer, place]
            if row != PAD:
                room += escaped_size * int(id_bounds[row - FIRST_TRACK + 1] - id_bounds[row - FIRST_TRACK])
    return int(room)


@inlined
def _put_piece(out: Bytes, at: int, pieces: Bytes, bounds: Int64s, number: int) -> int:
    return put_bytes(out, at, pieces, bounds[number], bounds[number + 1] - bounds[number])


@compiled
def _write_lists(  # noqa: PLR0917  a kernel takes arrays
    out: Bytes, out_bounds: Int64s, rows: Int64s, ticks: Int64s, numbers: Int64s, frame: Bytes, frame_bounds: Int64s,
    users: Bytes, user_bounds: Int64s, ids: Bytes, id_bounds: Int64s, is_plain: bool,  # noqa: FBT001  a kernel's
    scores: Bytes, score_bounds: Int64s,
) -> None:  # fmt: skip
    """Write the answers one after the other, and where each ends."""
    at = 0
    for answer in range(len(rows)):
        at = _put_piece(out, at, frame, frame_bounds, 0)
        begin, end = user_bounds[answer], user_bounds[answer + 1]
        at = put_json_string(out, at, users, begin, end - begin)
        at = _put_piece(out, at, frame, frame_bounds, 1)
        num_listed = 0
        for place in range(rows.shape[1]):
            row = rows[answer, place]
            if row == PAD:
                continue
            if num_listed:
                out[np.uint64(at)] = _COMMA
                at += 1
            num_listed += 1
            at = put_bytes(out, at, _TRACK, 0, len(_TRACK))
            begin, end = id_bounds[row - FIRST_TRACK], id_bounds[row - FIRST_TRACK + 1]
            if is_plain:
                out[np.uint64(at)] = _QUOTE
                at = put_bytes(out, at + 1, ids, begin, end - begin)
                out[np.uint64(at)] = _QUOTE
                at += 1
            else:
                at = put_json_string(out, at, ids, begin, end - begin)
            at = put_bytes(out, at, _SCORE, 0, len(_SCORE))
            at = _put_piece(out, at, scores, score_bounds, ticks[answer, place])
            out[np.uint64(at)] = _CLOSE
            at += 1
        for number in range(_NUMBERS):
            at = _put_piece(out, at, frame, frame_bounds, 2 + number)
            at = put_decimal(out, at, numbers[answer, number])
        at = _put_piece(out, at, frame, frame_bounds, 2 + _NUMBERS)
        out_bounds[answer + 1] = at
