"""The state record of a listener: bytes in RocksDB and the changelog <-> arrays of a whole batch.

    header    version, hidden units, release (key, promoted at), plays folded, plays seen, repeats seen,
              source offset, played at
    ring      the last RING_SIZE plays, oldest first: track key, played at, context, bits
    counts    NUM_COUNTED tracks and how often they were played, decayed: track key, count (`models.plays.counts`)
    hidden    float32, as many as the header says; last, so that the rest reads the same whatever the release's size

All little-endian. A change of layout bumps the version, keeps the old reader and adds a fixture of old bytes to
tests/formats. Version 1 had no counts: they are taken from the plays of the ring.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models.config import NUM_COUNTED, RING_SIZE
from models.plays.counts import CountMaps, count_plays
from models.plays.histories import bounds_of

VERSION = 2
BIT_SKIPPED, BIT_REPEATS = 1, 2

#: `release_key` and `promoted_at_ms` of a state that no release has touched yet.
NO_RELEASE = 0

_PREFIX_V1 = np.dtype(
    [
        ("version", "u1"),
        ("num_hidden", "<u2"),
        ("release_key", "<u8"),
        ("promoted_at_ms", "<i8"),
        ("plays_folded", "<u4"),
        ("plays_seen", "<u8"),
        ("repeats_seen", "<u8"),
        ("source_offset", "<i8"),
        ("played_at_ms", "<i8"),
        ("ring_track_keys", "<u8", (RING_SIZE,)),
        ("ring_played_at_ms", "<i8", (RING_SIZE,)),
        ("ring_contexts", "u1", (RING_SIZE,)),
        ("ring_bits", "u1", (RING_SIZE,)),
    ]
)
_PREFIX = np.dtype(
    [
        *_PREFIX_V1.descr,
        ("counted_track_keys", "<u8", (NUM_COUNTED,)),
        ("counts", "<f4", (NUM_COUNTED,)),
    ]
)


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

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "States":
        """Return the states at `index`."""
        return States(*(getattr(self, f.name)[index] for f in fields(self)))


@functools.lru_cache(maxsize=8)
def _record(num_hidden: int) -> np.dtype[np.void]:
    """Return the layout of a whole record; numpy packs it, so there is no padding to leak."""
    return np.dtype([("prefix", _PREFIX), ("hidden", "<f4", (num_hidden,))])


def encode(states: States) -> list[bytes]:
    """Write each state as one record of the current version."""
    num_hidden = states.hidden.shape[1]
    rows = np.zeros(len(states), _record(num_hidden))  # (B,)
    prefix = rows["prefix"]
    prefix["version"], prefix["num_hidden"] = VERSION, num_hidden
    for name in _PREFIX.names or ():
        if name not in ("version", "num_hidden"):
            prefix[name] = getattr(states, name)
    rows["hidden"] = states.hidden
    joined, size = rows.tobytes(), rows.dtype.itemsize
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def decode(records: Sequence[bytes | None], num_hidden: int) -> States:
    """Read records; None reads as the state of a new listener.

    Args:
        records: as written by `encode`, in this process or an older one.
        num_hidden: H of the running release; states of another size keep everything but `hidden`, and are rebuilt.

    Raises:
        ValueError: a record's version is unknown to this code, or its length contradicts its header.
    """
    records = _all_of_this_version(records)
    prefix = _prefixes([_EMPTY if record is None else record for record in records], _PREFIX)
    if (unknown := np.flatnonzero(prefix["version"] != VERSION)).size:
        raise ValueError(
            f"a state record has format version {prefix['version'][unknown[0]]}, this worker reads up to {VERSION}: "
            "run the newer version that wrote it"
        )
    lengths = np.array([_PREFIX.itemsize if record is None else len(record) for record in records])
    if (damaged := np.flatnonzero(lengths != _PREFIX.itemsize + 4 * prefix["num_hidden"].astype(np.int64))).size:
        length, num_claimed = lengths[damaged[0]], prefix["num_hidden"][damaged[0]]
        raise ValueError(f"a state record of {length} bytes claims {num_claimed} hidden units: the store is damaged")
    values = {name: prefix[name] for name in _PREFIX.names or () if name not in ("version", "num_hidden")}
    for name in ("plays_folded", "plays_seen", "repeats_seen"):
        values[name] = values[name].astype(np.int64)
    return States(**values, hidden=_decode_hidden(records, prefix["num_hidden"], num_hidden))


def _prefixes(records: Sequence[bytes], layout: np.dtype[np.void]) -> NDArray[np.void]:
    size = layout.itemsize
    joined = b"".join([record[:size] for record in records])
    if len(joined) != size * len(records):
        raise ValueError(f"a state record is shorter than its {size} byte header: the store is damaged")
    return np.frombuffer(joined, layout)


def _all_of_this_version(records: Sequence[bytes | None]) -> Sequence[bytes | None]:
    """Convert records of version 1 to the current one: their counts are those of the plays in their ring."""
    old = {row: record for row, record in enumerate(records) if record is not None and record[:1] == b"\x01"}
    if not old:
        return records
    before = _prefixes(list(old.values()), _PREFIX_V1)
    prefix = np.zeros(len(old), _PREFIX)
    for name in _PREFIX_V1.names or ():
        prefix[name] = before[name]
    prefix["version"] = VERSION
    lengths = np.minimum(before["plays_seen"].astype(np.int64), RING_SIZE)
    ring_keys = before["ring_track_keys"][np.arange(RING_SIZE) < lengths[:, None]]  # (plays in all rings,)
    maps = count_plays(CountMaps.empty(len(old)), bounds_of(lengths), ring_keys, np.zeros_like(lengths))
    prefix["counted_track_keys"], prefix["counts"] = maps.track_keys, maps.counts
    converted = list(records)
    for each, (row, record) in zip(prefix, old.items(), strict=True):
        converted[row] = each.tobytes() + record[_PREFIX_V1.itemsize :]
    return converted


def _decode_hidden(records: Sequence[bytes | None], sizes: NDArray[np.uint16], num_hidden: int) -> NDArray[np.float32]:
    hidden = np.zeros((len(records), num_hidden), np.float32)  # (B, H)
    fits = [row for row, record in enumerate(records) if record is not None and sizes[row] == num_hidden]
    tails = b"".join([record[_PREFIX.itemsize :] for row in fits if (record := records[row]) is not None])
    hidden[fits] = np.frombuffer(tails, "<f4").reshape(len(fits), num_hidden)  # (fits, H)
    return hidden


def _empty_prefix() -> bytes:
    row = np.zeros(1, _PREFIX)
    row["version"], row["source_offset"] = VERSION, -1
    return row.tobytes()


_EMPTY = _empty_prefix()
