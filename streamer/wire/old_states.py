"""State records of versions 1 and 2, rewritten as the current one when they are read.

Both have the header of today without its last fields, and fixed places:

    version 1    header, RING_SIZE places of keys, times, contexts and bits, hidden
    version 2    the same, with NUM_COUNTED keys and counts before the hidden units

Version 1 had no counts: they are taken from the plays of the ring.
"""

from typing import Final

import numpy as np

from models.config import NUM_COUNTED, RING_SIZE
from models.plays.counts import CountMaps, count_plays
from models.plays.histories import bounds_of

_CURRENT: Final = 3

#: How each record begins since version 3; the fields up to `played_at_ms` are as in versions 1 and 2.
HEADER: Final = np.dtype(
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
        ("num_remembered", "u1"),
        ("num_counted", "u1"),
        ("num_said", "<u2"),
    ]
)
_OLD_HEADER: Final = np.dtype(HEADER.descr[:-3])
_RING: Final = np.dtype([("keys", "<u8"), ("times", "<i8"), ("contexts", "u1"), ("bits", "u1")])
_COUNTS: Final = np.dtype([("keys", "<u8"), ("counts", "<f4")])
_OLD_SIZES: Final = {1: _OLD_HEADER.itemsize + RING_SIZE * _RING.itemsize}
_OLD_SIZES[2] = _OLD_SIZES[1] + NUM_COUNTED * _COUNTS.itemsize


def upgraded(record: bytes) -> bytes:
    """Rewrite a record of version 1 or 2.

    Raises:
        ValueError: its length contradicts its header.
    """
    size = _OLD_SIZES[record[0]]
    header = np.zeros(1, HEADER)
    if len(record) >= size:
        (old,) = np.frombuffer(record[: _OLD_HEADER.itemsize], _OLD_HEADER)
        for name in _OLD_HEADER.names or ():
            header[name] = old[name]
    num_claimed = int(header["num_hidden"][0])
    if len(record) != size + 4 * num_claimed:
        raise ValueError(
            f"a state record of {len(record)} bytes claims {num_claimed} hidden units: the store is damaged"
        )
    num_remembered = int(min(header["plays_seen"][0], RING_SIZE))
    ring = _columns(record, _OLD_HEADER.itemsize, RING_SIZE, _RING, num_remembered)
    counts = _counted(ring[: 8 * num_remembered]) if record[0] == 1 else _read_counts(record)
    header["version"], header["num_remembered"] = _CURRENT, num_remembered
    header["num_counted"] = len(counts) // _COUNTS.itemsize
    return header.tobytes() + ring + counts + record[size:]


def _columns(record: bytes, at: int, num_places: int, fields: "np.dtype[np.void]", num_taken: int) -> bytes:
    """Return the taken places of columns that follow each other from `at` on."""
    parts = []
    for name in fields.names or ():
        itemsize = fields[name].itemsize
        parts.append(record[at : at + num_taken * itemsize])
        at += num_places * itemsize
    return b"".join(parts)


def _read_counts(record: bytes) -> bytes:
    at = _OLD_SIZES[1]
    keys = np.frombuffer(record, "<u8", NUM_COUNTED, at)
    counts = np.frombuffer(record, "<f4", NUM_COUNTED, at + 8 * NUM_COUNTED)
    taken = np.flatnonzero((keys != 0) | (counts != 0))
    return _columns(record, at, NUM_COUNTED, _COUNTS, int(taken.max(initial=-1)) + 1)


def _counted(ring_keys: bytes) -> bytes:
    keys = np.frombuffer(ring_keys, "<u8").astype(np.uint64)
    maps = count_plays(CountMaps.empty(1), bounds_of(np.array([len(keys)])), keys, np.zeros(1, np.int64))
    num = int((maps.counts[0] > 0).sum())  # places are taken from the first
    return maps.track_keys[0, :num].astype("<u8").tobytes() + maps.counts[0, :num].astype("<f4").tobytes()
