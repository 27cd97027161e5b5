"""Time the work on a batch other than the network: `python tests/bench/states.py [listeners] [plays]`.

Every listener has a full ring and as many counted tracks as fit. Prints microseconds of CPU per play, best of several
rounds, and the size of a record in bytes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from models.config import NetworkConfig
from streamer.wire.blobs import Blobs
from streamer.wire.state import States, decode, encode
from streamer.worker.batch import Batch, merge, plan
from streamer.worker.events import Events

NUM_TRACKS, NUM_ROUNDS, RELEASE = 10_000, 20, 9
NUM_HIDDEN = NetworkConfig().hidden_size


def draw_events(rng: np.random.Generator, listeners: np.ndarray) -> Events:
    """Draw one play for each entry of `listeners`; some tracks are much likelier than others."""
    track_keys, num_plays = np.random.default_rng(0).integers(1, 1 << 64, NUM_TRACKS, np.uint64), len(listeners)
    return Events(
        listener=listeners,
        offsets=np.arange(num_plays),
        track_keys=track_keys[rng.zipf(1.2, num_plays) % NUM_TRACKS],
        played_at_ms=1_400_000_000_000 + np.cumsum(rng.integers(1000, 9000, num_plays)),
        contexts=rng.integers(0, 9, num_plays).astype(np.uint8),
        skipped=rng.random(num_plays) < 0.1,
        forgets=np.zeros(num_plays, np.bool_),
    )


def read(records: Sequence[bytes | None]) -> States:
    return decode([*records, None], NUM_HIDDEN)


def write(batch: Batch) -> Blobs:
    return encode(merge(batch, batch.hidden, batch.count_plays(), release_key=RELEASE, promoted_at_ms=1))


def best_us(work: Callable[[], object]) -> float:
    """Return the microseconds of CPU of the fastest round."""
    rounds = []
    for _ in range(NUM_ROUNDS):
        start_s = time.process_time()
        work()
        rounds.append(time.process_time() - start_s)
    return min(rounds) * 1e6


def main(num_listeners: str = "4000", num_plays: str = "5000") -> None:
    rng, all_listeners = np.random.default_rng(1), np.arange(int(num_listeners))
    records: list[bytes | None] = []
    for _ in range(30):
        events = draw_events(rng, np.repeat(all_listeners, 10))
        records = write(plan(events, read(records or [None] * len(all_listeners)), RELEASE)).to_list()
    events = draw_events(rng, rng.integers(len(all_listeners), size=int(num_plays)))
    states = read(records)
    batch = plan(events, states, RELEASE)
    counts = batch.count_plays()
    merged = merge(batch, batch.hidden, counts, release_key=RELEASE, promoted_at_ms=1)
    parts: dict[str, Callable[[], object]] = {
        "decode": lambda: read(records),
        "plan": lambda: plan(events, states, RELEASE),
        "count": batch.count_plays,
        "merge": lambda: merge(batch, batch.hidden, counts, release_key=RELEASE, promoted_at_ms=1),
        "encode": lambda: encode(merged),
        "all": lambda: write(plan(events, read(records), RELEASE)),
    }
    for name, work in parts.items():
        sys.stdout.write(f"{name:8} {best_us(work) / len(events.offsets):8.2f} us per play\n")
    sys.stdout.write(f"record   {encode(merged).bounds[-1] // len(merged):8} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
