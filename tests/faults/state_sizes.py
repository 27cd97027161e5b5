"""What states take on a disk: as it is, compacted, and with all that a state can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rocksdict

from models.config import NUM_COUNTED, RING_SIZE, NetworkConfig
from streamer.wire.changelog import listener_key
from streamer.wire.state import States
from tests.builders import records_of
from tests.faults.load import EPOCH_MS


def size_of(directory: Path, pattern: str = "**/*") -> int:
    """Return the total size of the files below a directory, in bytes."""
    return sum(path.stat().st_size for path in directory.glob(pattern) if path.is_file())


def compact(directory: Path) -> None:
    """Compact each store fully."""
    for path in directory.glob("**/listeners-*.db"):
        options = rocksdict.Options(raw_mode=True)
        store = rocksdict.Rdict(str(path), options)
        store.compact_range(None, None)
        store.close()


def size_with_full_rings(directory: Path, listeners: int = 5_000) -> int:
    """Return the bytes per listener on a compacted disk, with ring and counts full of random tracks."""
    rng = np.random.default_rng(1)
    shape, counted = (listeners, RING_SIZE), (listeners, NUM_COUNTED)
    ones, times_ms = np.ones(listeners, np.int64), np.sort(rng.integers(1 << 36, size=shape)) + EPOCH_MS
    states = States(
        release_key=ones.astype(np.uint64),
        promoted_at_ms=ones,
        plays_folded=ones * 70,
        plays_seen=ones * 70,
        repeats_seen=ones,
        source_offset=rng.integers(1 << 40, size=listeners),
        played_at_ms=times_ms[:, -1],
        ring_track_keys=rng.integers(1 << 63, size=shape).astype(np.uint64),
        ring_played_at_ms=times_ms,
        ring_contexts=rng.integers(4, size=shape).astype(np.uint8),
        ring_bits=rng.integers(4, size=shape).astype(np.uint8),
        counted_track_keys=rng.integers(1 << 63, size=counted).astype(np.uint64),
        counts=rng.uniform(0.1, 9, counted).astype(np.float32),
        hidden=np.tanh(rng.normal(size=(listeners, NetworkConfig().hidden_size))).astype(np.float32),
        said=np.zeros((listeners, 0), np.uint32),
    )
    path = directory / "listeners-0.db"
    store = rocksdict.Rdict(str(path), rocksdict.Options(raw_mode=True))
    for number, record in enumerate(records_of(states)):
        store.put(listener_key(f"u{number}".encode()), record)
    store.close()
    compact(directory)
    return round(size_of(path) / listeners)
