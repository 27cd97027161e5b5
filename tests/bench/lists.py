"""Measure the CPU cost of encoding a list: `python -m tests.bench.lists`."""

import time

import numpy as np

from models.plays.catalogue import FIRST_TRACK
from models.plays.track_ids import TrackIds
from streamer.wire.blobs import Blobs
from streamer.wire.recommendations import Lineage, ListEncoder
from streamer.worker.warmup import warm_up

_NUM_TRACKS, _NUM_ANSWERS, _NUM_BATCHES = 50_000, 500, 40


def main() -> None:
    """Print microseconds per list, for short-term and long-term lists."""
    warm_up()
    rng = np.random.default_rng(7)
    encoder = ListEncoder(TrackIds.of(f"spotify:track:{track:022d}" for track in range(_NUM_TRACKS)))
    lineage = Lineage(
        users=Blobs.of([b"user-%d" % user for user in range(_NUM_ANSWERS)]),
        plays_seen=np.full(_NUM_ANSWERS, 412),
        source_partitions=np.full(_NUM_ANSWERS, 3),
        source_offsets=np.arange(_NUM_ANSWERS),
        played_at_ms=np.full(_NUM_ANSWERS, 1_795_469_401_000),
        release="20261123T231500.123Z-1f3a9c2e",
        emitted_at_ms=1_795_469_401_012,
    )
    for horizon, size in (("short-term", 20), ("long-term", 50)):
        rows = rng.integers(FIRST_TRACK, _NUM_TRACKS + FIRST_TRACK, (_NUM_BATCHES, _NUM_ANSWERS, size))
        scores = rng.uniform(0, 1, rows.shape).astype(np.float32)  # as both stages give them
        start_s = time.process_time()
        for batch in range(_NUM_BATCHES):
            encoder.encode(horizon, rows[batch], scores[batch], lineage)  # type: ignore[arg-type]  # a Literal
        spent_us = (time.process_time() - start_s) * 1e6
        print(f"{horizon}: {spent_us / (_NUM_ANSWERS * _NUM_BATCHES):.2f} us of CPU per list of {size}")  # noqa: T201


if __name__ == "__main__":
    main()
