"""Time and memory of counting for a second stage, by plays and tracks: `python -m tests.bench.counting`.

Synthetic listeners play sessions of about 15 tracks: runs of neighbouring tracks (albums) that start at random tracks,
popular ones more often. Each measurement is a process of its own, whose CPU time and peak memory the kernel reports;
prints one line of JSON. Plays come in shards that are made when they are read, so that the peak is that of the
counting.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.config import NetworkConfig, RerankerConfig
from models.plays.catalogue import Catalogue
from models.plays.histories import bounds_of, gather_histories
from models.training.reranker_counts import count_shards
from models.training.shards import Shard

_SHARD_PLAYS = 500_000
_LISTENER_PLAYS = 200
_SESSION_PLAYS = 15
_RUN_PLAYS = 4
_ZIPF = 1.3


@dataclass(frozen=True)
class SyntheticShards(Sequence[Shard]):
    """Shards of plays that are drawn anew, and equally, on every access."""

    catalogue: Catalogue
    num_plays: int

    def __len__(self) -> int:
        return math.ceil(self.num_plays / _SHARD_PLAYS)

    def __getitem__(self, number: int) -> Shard:  # type: ignore[override]  # no caller slices
        if not 0 <= number < len(self):
            raise IndexError(number)
        rng, num_tracks = np.random.default_rng(number), len(self.catalogue)
        num_plays = min(_SHARD_PLAYS, self.num_plays - number * _SHARD_PLAYS)
        places = np.arange(num_plays)
        lengths = rng.geometric(1 / _RUN_PLAYS, num_plays)
        runs = np.repeat(places, lengths)[:num_plays]
        popular = (rng.zipf(_ZIPF, num_plays) * 7919 + rng.integers(0, 64, num_plays) * 104_729) % num_tracks
        starts = np.where(rng.random(num_plays) < 0.5, popular, rng.integers(0, num_tracks, num_plays))
        tracks = (starts[runs] + places - bounds_of(lengths)[runs]) % num_tracks
        gaps_ms = np.where(rng.random(num_plays) < 1 / _SESSION_PLAYS, 7_200_000, 200_000)
        times_ms = 1_700_000_000_000 + np.cumsum(gaps_ms)
        return Shard(gather_histories(places // _LISTENER_PLAYS, self.catalogue.keys[tracks], times_ms))


def measure(num_plays: int, num_tracks: int) -> dict[str, float]:
    """Count synthetic plays; the time of making them is taken off, the first, small count warms up the kernels."""
    config, sizes = NetworkConfig(), RerankerConfig()
    catalogue = Catalogue([f"t{track}" for track in range(num_tracks)])
    count_shards(SyntheticShards(catalogue, 1000), catalogue, config, sizes)
    shards = SyntheticShards(catalogue, num_plays)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started_s = time.process_time()
    for _ in shards:
        pass
    made_s = time.process_time() - started_s
    reranker = count_shards(shards, catalogue, config, sizes)
    spent_s = time.process_time() - started_s - 2 * made_s
    size = sum(buffer.nbytes for buffer in reranker.buffers())
    return {
        "plays": num_plays,
        "tracks": num_tracks,
        "cpu_s": round(spent_s, 2),
        "cpu_s_per_million_plays": round(spent_s / num_plays * 1e6, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_before_mb": round(before_mb),
        "result_mb": round(size / 1e6, 1),
    }


def main() -> None:
    """Measure every combination, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plays", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--here", action="store_true", help="measure one combination in this process")
    arguments = parser.parse_args()
    if arguments.here:
        sys.stdout.write(json.dumps(measure(arguments.plays[0], arguments.tracks[0])) + "\n")
        return
    rows = []
    for num_tracks in arguments.tracks:
        for num_plays in arguments.plays:
            sizes = ["--plays", str(num_plays), "--tracks", str(num_tracks)]
            command = [sys.executable, "-m", "tests.bench.counting", "--here", *sizes]
            rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    sys.stdout.write(json.dumps({"counting": rows}) + "\n")


if __name__ == "__main__":
    main()
