"""The state record of a listener: bytes in RocksDB and the changelog <-> arrays of a whole batch.

    header    version, hidden units, release (key, promoted at), plays folded, plays seen, repeats seen,
              source offset, played at; how many plays, counts and marks of tracks follow
    ring      the last plays, RING_SIZE at most, oldest first: track keys, then times, contexts, bits
    counts    NUM_COUNTED tracks at most: their keys, then how often they were played, decayed (`models.plays.counts`)
    hidden    float32, as many as the header says
    said      uint32, the last lists: only if lists that hardly change are left out

All little-endian, without padding; free places of ring and counts are not written. A change of layout bumps the
version, keeps the old reader (`old_states`) and adds a fixture of old bytes to tests/formats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, inlined
from models.config import NUM_COUNTED, RING_SIZE
from models.plays.counts import CountMaps
from models.plays.histories import bounds_of
from streamer.wire.blobs import Blobs
from streamer.wire.old_states import HEADER, upgraded
from streamer.wire.puts import Bytes, put_bytes

VERSION: Final = 3
BIT_SKIPPED, BIT_REPEATS = 1, 2

#: `release_key` and `promoted_at_ms` of a state that no release has touched yet.
NO_RELEASE = 0

Int64s = NDArray[np.int64]

_PLAY_BYTES: Final = 8 + 8 + 1 + 1
_COUNT_BYTES: Final = 8 + 4
_NUMBERS: Final = ("version", "num_hidden", "num_remembered", "num_counted", "num_said")


@dataclass(frozen=True, slots=True)
class States:
    """The states of B listeners, as arrays: the result of their plays up to `source_offset`.

    Attributes:
        release_key: uint64 (B,), the release that made `hidden`; NO_RELEASE if none did.
        promoted_at_ms: int64 (B,), when that release became champion: orders releases.
        plays_folded: int64 (B,), plays that `hidden` contains: those since the last rebuild and those it was rebuilt
            from; 0 while no release has touched it.
        plays_seen: int64 (B,), all plays of this listener; `min(plays_seen, RING_SIZE)` places of the ring are taken.
        repeats_seen: int64 (B,), plays whose track was among the RING_SIZE plays before.
        source_offset: int64 (B,), offset of the latest play; -1 before the first.
        played_at_ms: int64 (B,), time of the latest play, ms since the epoch.
        ring_track_keys: uint64 (B, RING_SIZE), oldest first, free places (zero) last, as in the other ring arrays.
        ring_played_at_ms: int64 (B, RING_SIZE).
        ring_contexts: uint8 (B, RING_SIZE), indices of models.config.CONTEXTS.
        ring_bits: uint8 (B, RING_SIZE), BIT_SKIPPED | BIT_REPEATS.
        counted_track_keys: uint64 (B, NUM_COUNTED), as in `models.plays.counts.CountMaps`.
        counts: float32 (B, NUM_COUNTED), as in `models.plays.counts.CountMaps`.
        hidden: float32 (B, H); zeros if the record held a different number of hidden units.
        said: uint32 (B, S), the tracks of the last lists in a few bits (`worker.saying`), 0 in empty places; zeros if
            the record held a different number; S is 0 unless lists that hardly change are left out.
    """

    release_key: NDArray[np.uint64]
    promoted_at_ms: NDArray[np.int64]
    plays_folded: NDArray[np.int64]
    plays_seen: NDArray[np.int64]
    repeats_seen: NDArray[np.int64]
    source_offset: NDArray[np.int64]
    played_at_ms: NDArray[np.int64]
    ring_track_keys: NDArray[np.uint64]
    ring_played_at_ms: NDArray[np.int64]
    ring_contexts: NDArray[np.uint8]
    ring_bits: NDArray[np.uint8]
    counted_track_keys: NDArray[np.uint64]
    counts: NDArray[np.float32]
    hidden: NDArray[np.float32]
    said: NDArray[np.uint32]

    def __len__(self) -> int:
        """Return B."""
        return len(self.plays_seen)

    @property
    def count_maps(self) -> CountMaps:
        """How often the B listeners played which tracks, as input of the step."""
        return CountMaps(self.counted_track_keys, self.counts)

    @property
    def ring_lengths(self) -> NDArray[np.int64]:
        """int64 (B,): how many places of each ring are taken."""
        return np.minimum(self.plays_seen, RING_SIZE)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "States":
        """Return the states at `index`; a slice copies nothing."""
        return States(*(getattr(self, f.name)[index] for f in fields(self)))


def encode(states: States) -> Blobs:
    """Write each state as one record of the current version."""
    header = np.zeros(len(states), HEADER)  # (B,)
    for name in HEADER.names or ():
        if name not in _NUMBERS:
            header[name] = getattr(states, name)
    header["version"] = VERSION
    header["num_hidden"] = states.hidden.shape[1]
    header["num_remembered"] = states.ring_lengths
    header["num_counted"] = _num_counted(states.counted_track_keys, states.counts)
    header["num_said"] = states.said.shape[1] * states.said.any(1)
    bounds = bounds_of(_lengths(header))
    records = np.empty(bounds[-1], np.uint8)
    columns = [_bytes_of(getattr(states, name)) for name in _COLUMNS]
    _write_records(records, bounds, _bytes_of(header), _numbers(header), *columns)
    return Blobs.all_present(records, bounds)


def decode(records: Sequence[bytes | None], num_hidden: int, num_said: int = 0) -> States:
    """Read records; None reads as the state of a new listener.

    Args:
        records: as written by `encode`, in this process or an older one.
        num_hidden: H of the running release; states of another size keep everything but `hidden`, and are rebuilt.
        num_said: S of this worker; of states of another size, it is not known what was said.

    Raises:
        ValueError: a record's version is unknown to this code, or its length contradicts its header.
    """
    blobs = _of_this_version(records)
    header = _read_headers(blobs)
    values = {name: header[name] for name in HEADER.names or () if name not in _NUMBERS}
    for name in ("plays_folded", "plays_seen", "repeats_seen"):
        values[name] = values[name].astype(np.int64)
    num = len(blobs)
    columns: dict[str, NDArray[Any]] = {
        "ring_track_keys": np.zeros((num, RING_SIZE), np.uint64),
        "ring_played_at_ms": np.zeros((num, RING_SIZE), np.int64),
        "ring_contexts": np.zeros((num, RING_SIZE), np.uint8),
        "ring_bits": np.zeros((num, RING_SIZE), np.uint8),
        "counted_track_keys": np.zeros((num, NUM_COUNTED), np.uint64),
        "counts": np.zeros((num, NUM_COUNTED), np.float32),
        "hidden": np.zeros((num, num_hidden), np.float32),
        "said": np.zeros((num, num_said), np.uint32),
    }
    _read_records(
        blobs.joined, blobs.bounds, _numbers(header), HEADER.itemsize, *(_bytes_of(columns[name]) for name in _COLUMNS)
    )
    return States(**values, **columns)


def _of_this_version(records: Sequence[bytes | None]) -> Blobs:
    blobs = Blobs.of(records)
    present = np.flatnonzero(blobs.lengths)
    versions = blobs.joined[blobs.bounds[present]]
    old = present[(versions == 1) | (versions == 2)].tolist()
    if not old:
        return blobs
    current = list(records)
    for row in old:
        current[row] = upgraded(records[row] or b"")
    return Blobs.of(current)


#: The columns of States that are written behind the header, in this order.
_COLUMNS: Final = (
    "ring_track_keys", "ring_played_at_ms", "ring_contexts", "ring_bits", "counted_track_keys", "counts", "hidden",
    "said",
)  # fmt: skip


def _bytes_of(column: NDArray[Any]) -> Bytes:
    """Return the bytes of each row, not copied if they are contiguous: uint8 (B, bytes of a row)."""
    rows = np.ascontiguousarray(column)
    size = rows.dtype.itemsize * math.prod(rows.shape[1:])
    return rows.view(np.uint8).reshape(len(rows), size)


def _read_headers(blobs: Blobs) -> NDArray[np.void]:
    """Read the header of each record; a missing one is that of a new listener.

    Raises:
        ValueError: a record's version is unknown to this code, or its length contradicts its header.
    """
    lengths = blobs.lengths
    short = ~blobs.missing & (lengths < HEADER.itemsize)
    if short.any():
        raise ValueError(f"a state record is shorter than its {HEADER.itemsize} byte header: the store is damaged")
    header = np.zeros(len(blobs), HEADER)
    header["source_offset"] = -1
    present = ~blobs.missing
    places = blobs.bounds[:-1][present, None] + np.arange(HEADER.itemsize)
    header[present] = blobs.joined[places].view(HEADER)[:, 0]
    if (unknown := np.flatnonzero(present & (header["version"] != VERSION))).size:
        raise ValueError(
            f"a state record has format version {header['version'][unknown[0]]}, this worker reads up to {VERSION}: "
            "run the newer version that wrote it"
        )
    fits = (header["num_remembered"] <= RING_SIZE) & (header["num_counted"] <= NUM_COUNTED)
    if (damaged := np.flatnonzero(present & ~(fits & (lengths == _lengths(header))))).size:
        length, num_claimed = lengths[damaged[0]], header["num_hidden"][damaged[0]]
        raise ValueError(f"a state record of {length} bytes claims {num_claimed} hidden units: the store is damaged")
    return header


def _lengths(header: NDArray[np.void]) -> Int64s:
    """Return the length of each record as its header says it: int64 (B,)."""
    remembered, counted, hidden, said = _numbers(header).T
    lengths: Int64s = HEADER.itemsize + _PLAY_BYTES * remembered + _COUNT_BYTES * counted + 4 * (hidden + said)
    return lengths


def _numbers(header: NDArray[np.void]) -> Int64s:
    """Return how many plays, counts, hidden units and marks each record has: int64 (B, 4)."""
    names = ("num_remembered", "num_counted", "num_hidden", "num_said")
    return np.stack([header[name].astype(np.int64) for name in names], axis=1)


@compiled
def _num_counted(track_keys: NDArray[np.uint64], counts: NDArray[np.float32]) -> Int64s:
    """Return up to which place each map is taken: int64 (B,)."""
    nums = np.zeros(len(counts), np.int64)
    for row in range(len(counts)):
        num = counts.shape[1]
        while num > 0 and counts[row, num - 1] == 0 and track_keys[row, num - 1] == 0:
            num -= 1
        nums[row] = num
    return nums


@compiled
def _write_records(  # noqa: PLR0917  a kernel takes arrays
    out: Bytes, bounds: Int64s, header: Bytes, numbers: Int64s,
    ring_track_keys: Bytes, ring_played_at_ms: Bytes, ring_contexts: Bytes, ring_bits: Bytes,
    counted_track_keys: Bytes, counts: Bytes, hidden: Bytes, said: Bytes,
) -> None:  # fmt: skip
    for row in range(len(header)):
        remembered, counted, num_hidden, num_said = numbers[row]
        at = put_bytes(out, bounds[row], header[row], 0, header.shape[1])
        at = put_bytes(out, at, ring_track_keys[row], 0, 8 * remembered)
        at = put_bytes(out, at, ring_played_at_ms[row], 0, 8 * remembered)
        at = put_bytes(out, at, ring_contexts[row], 0, remembered)
        at = put_bytes(out, at, ring_bits[row], 0, remembered)
        at = put_bytes(out, at, counted_track_keys[row], 0, 8 * counted)
        at = put_bytes(out, at, counts[row], 0, 4 * counted)
        at = put_bytes(out, at, hidden[row], 0, 4 * num_hidden)
        put_bytes(out, at, said[row], 0, 4 * num_said)


@inlined
def _take_bytes(row: Bytes, records: Bytes, at: int, size: int) -> int:
    """Copy the next `size` bytes of the records to the beginning of a row, and return the place behind them."""
    put_bytes(row, 0, records, at, size)
    return at + size


@compiled
def _read_records(  # noqa: PLR0917  a kernel takes arrays
    records: Bytes, bounds: Int64s, numbers: Int64s, header_size: int,
    ring_track_keys: Bytes, ring_played_at_ms: Bytes, ring_contexts: Bytes, ring_bits: Bytes,
    counted_track_keys: Bytes, counts: Bytes, hidden: Bytes, said: Bytes,
) -> None:  # fmt: skip
    for row in range(len(numbers)):
        if bounds[row] == bounds[row + 1]:
            continue
        remembered, counted, num_hidden, num_said = numbers[row]
        at = _take_bytes(ring_track_keys[row], records, bounds[row] + header_size, 8 * remembered)
        at = _take_bytes(ring_played_at_ms[row], records, at, 8 * remembered)
        at = _take_bytes(ring_contexts[row], records, at, remembered)
        at = _take_bytes(ring_bits[row], records, at, remembered)
        at = _take_bytes(counted_track_keys[row], records, at, 8 * counted)
        at = _take_bytes(counts[row], records, at, 4 * counted)
        if hidden.shape[1] == 4 * num_hidden:
            put_bytes(hidden[row], 0, records, at, 4 * num_hidden)
        if said.shape[1] == 4 * num_said:
            put_bytes(said[row], 0, records, at + 4 * num_hidden, 4 * num_said)
