"""The catalogue: track id <-> row <-> stable key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.plays.track_ids import TrackIds

PAD: Final = 0
"""The row that fills empty places."""

UNKNOWN: Final = 1
"""The row of all tracks that the release does not know."""

FIRST_TRACK: Final = 2
"""The row of the first track."""

_KEY_BITS: Final = 64
_DTYPES: Final = (np.uint8, np.int64, np.uint64, np.int32)  # of CatalogueArrays


def track_key(track_id: str) -> int:
    """Name a track by 64 bits that stay the same across releases: the first 8 bytes of BLAKE2b, little-endian."""
    return int.from_bytes(hashlib.blake2b(track_id.encode()).digest()[:8], "little")


def track_keys(track_ids: Sequence[str]) -> NDArray[np.uint64]:
    """Name many tracks: `track_key` of each, in order."""
    digests = b"".join([hashlib.blake2b(track_id.encode()).digest()[:8] for track_id in track_ids])
    return np.frombuffer(digests, "<u8").astype(np.uint64, copy=False)


class CatalogueArrays(NamedTuple):
    """A catalogue of M tracks as a release holds it; B bytes of text.

    Attributes:
        utf8: uint8 (B,), as in `TrackIds`.
        starts: int64 (M + 1,), as in `TrackIds`.
        sorted_keys: uint64 (M,), rising.
        sorted_rows: int32 (M,), the row of each key.
    """

    utf8: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sorted_keys: NDArray[np.uint64]
    sorted_rows: NDArray[np.int32]


class _KeyIndex(NamedTuple):
    """Where keys are looked up; see `Catalogue`."""

    shift: np.uint64
    starts: NDArray[np.int32]
    sorted_keys: NDArray[np.uint64]
    sorted_rows: NDArray[np.int32]


class Catalogue:
    """The tracks a release knows; row r is track_ids[r - FIRST_TRACK].

    Rows belong to one release; keys outlive it. Keys are looked up by their top bits, which are practically uniform,
    so a lookup takes a probe or two of one small bucket.

        key            top bits: the bucket | the rest
        bucket starts  [ 0  1  1  3  ... ]                  into the sorted keys; one or two per track
        sorted keys    [ k0 | k1  k2 | ... ]                probe from the start of the bucket to that of the next
        sorted rows    [ r0   r1  r2   ... ]
    """

    def __init__(self, track_ids: Sequence[str]) -> None:
        """Index tracks.

        Raises:
            ValueError: there is no track, a track occurs twice, or two tracks share a key.
        """
        keys = track_keys(track_ids)
        order = np.argsort(keys)
        sorted_keys = keys[order]
        _reject_collisions(sorted_keys, order, track_ids)
        self._hold(TrackIds.of(track_ids), sorted_keys, (order + FIRST_TRACK).astype(np.int32))

    @classmethod
    def of(cls, arrays: CatalogueArrays) -> Self:
        """Take the catalogue of a release as it is; that each key is its track's is not checked again.

        Raises:
            ValueError: the arrays do not fit together.
        """
        if [(array.dtype, array.ndim) for array in arrays] != [(np.dtype(dtype), 1) for dtype in _DTYPES]:
            raise ValueError("the arrays of the catalogue have other types; save the release again")
        track_ids, rows = TrackIds(arrays.utf8, arrays.starts), arrays.sorted_rows
        if not len(track_ids) == len(arrays.sorted_keys) == len(rows):
            raise ValueError(f"{len(track_ids)} track ids, {len(arrays.sorted_keys)} keys and {len(rows)} rows")
        if (arrays.sorted_keys[1:] <= arrays.sorted_keys[:-1]).any():
            raise ValueError("the keys of the tracks do not rise; save the release again")
        if not len(rows) or rows.min() < FIRST_TRACK or rows.max() >= FIRST_TRACK + len(rows):
            raise ValueError("the catalogue is empty, or has rows beyond its tracks; save the release again")
        catalogue = cls.__new__(cls)
        catalogue._hold(track_ids, arrays.sorted_keys, rows)  # noqa: SLF001  its own
        return catalogue

    def _hold(
        self, track_ids: TrackIds, sorted_keys: NDArray[np.uint64], sorted_rows: NDArray[np.int32]
    ) -> None:  # fmt: skip
        if not len(track_ids):
            raise ValueError("a catalogue needs at least one track")
        bits = max(1, (len(track_ids) - 1).bit_length())
        starts, shift = np.empty((1 << bits) + 1, np.int32), np.uint64(_KEY_BITS - bits)
        _start_buckets(starts, sorted_keys, shift)
        self.track_ids = track_ids
        self._index = _KeyIndex(shift, starts, sorted_keys, sorted_rows)

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def arrays(self) -> CatalogueArrays:
        """What a release holds of it."""
        index = self._index
        return CatalogueArrays(self.track_ids.utf8, self.track_ids.starts, index.sorted_keys, index.sorted_rows)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """The key of each track, uint64 (M,); a worker needs none of them."""
        keys = np.empty(len(self), np.uint64)
        keys[self._index.sorted_rows - FIRST_TRACK] = self._index.sorted_keys
        return keys

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find the row of each key; UNKNOWN for tracks of other catalogues."""
        rows = np.empty(keys.size, np.int64)
        _find_rows(rows, np.ascontiguousarray(keys).reshape(-1), self._index)
        return rows.reshape(keys.shape)


@compiled
def _start_buckets(starts: NDArray[np.int32], sorted_keys: NDArray[np.uint64], shift: np.uint64) -> None:
    """Fill in where the keys of each bucket start, and, last, how many keys there are."""
    bucket = 0
    for place in range(len(sorted_keys)):
        while bucket <= np.int64(sorted_keys[place] >> shift):
            starts[bucket] = place
            bucket += 1
    starts[bucket:] = len(sorted_keys)


@compiled
def _find_rows(rows: NDArray[np.int64], keys: NDArray[np.uint64], index: _KeyIndex) -> None:
    """Fill in the row of each key, or UNKNOWN."""
    for number in range(len(keys)):
        key, row = keys[number], UNKNOWN
        bucket = np.int64(key >> index.shift)
        for place in range(index.starts[bucket], index.starts[bucket + 1]):
            if index.sorted_keys[place] == key:
                row = index.sorted_rows[place]
                break
        rows[number] = row


def _reject_collisions(
    sorted_keys: NDArray[np.uint64], order: NDArray[np.int64], track_ids: Sequence[str]
) -> None:  # fmt: skip
    collisions = np.flatnonzero(sorted_keys[1:] == sorted_keys[:-1])
    if len(collisions):
        first, second = (track_ids[int(order[collisions[0] + place])] for place in (0, 1))
        raise ValueError(
            f"tracks {first!r} and {second!r} share the key {int(sorted_keys[collisions[0]]):#018x}; "
            "give each track once, and rename one of two different tracks that collide"
        )
