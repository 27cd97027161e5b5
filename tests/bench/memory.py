"""Peak memory of a fit by size of the archive: once in shards of a fixed size, once in a single shard.

`python -m tests.bench.memory`: synthetic archives of 1, 2, 4 and 8 times `--unit` plays, each fitted in its own
process, whose peak resident set the kernel reports.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.config import NetworkConfig, TrainingConfig
from models.training.fit import fit_shards
from streamer.archive.archive import Archive
from streamer.archive.plays import SCHEMA
from streamer.training.checkpoints import CheckpointFile
from streamer.training.dataset import read_archive

_APPENDED = 50_000
_NETWORK = NetworkConfig(embedding_size=8, hidden_size=16, contexts=())
_TRAINING = TrainingConfig(epochs=1, item_epochs=1)


def main() -> None:
    """Measure and print a table; with `--fit`, be one of the measured processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--unit", type=int, default=250_000, help="plays of the smallest archive (%(default)s)")
    parser.add_argument("--shard", type=int, default=100_000, help="plays per shard (%(default)s)")
    parser.add_argument("--fit", type=Path, help="fit this archive, and print the peak in MB")
    arguments = parser.parse_args()
    if arguments.fit is not None:
        print(_fit(arguments.fit, arguments.shard))  # noqa: T201
        return
    print(f"{'plays':>10} {'shards of ' + str(arguments.shard):>20} {'one shard':>12}   peak MB")  # noqa: T201
    for times in (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as directory:
            num_plays = times * arguments.unit
            _write_archive(Path(directory), num_plays)
            peaks = [_measured(Path(directory), shard_plays) for shard_plays in (arguments.shard, num_plays)]
        print(f"{num_plays:>10} {peaks[0]:>20} {peaks[1]:>12}", flush=True)  # noqa: T201


def _write_archive(directory: Path, num_plays: int) -> None:
    """Write plays of a thousand tracks, with one listener per hundred plays."""
    rng = np.random.default_rng(1)
    with Archive(directory) as archive:
        for start in range(0, num_plays, _APPENDED):
            num = min(_APPENDED, num_plays - start)
            columns = {
                "user_id": [f"u{user}" for user in rng.integers(0, num_plays // 100, num).tolist()],
                "track_id": [f"t{track}" for track in (rng.zipf(1.2, num) % 1000).tolist()],
                "played_at_ms": 1_700_000_000_000 + 1000 * np.arange(start, start + num),
                "context": np.zeros(num, np.uint8),
                "skipped": np.zeros(num, np.bool_),
                "partition": np.zeros(num, np.int32),
                "offset": np.arange(start, start + num),
            }
            archive.append(pa.table(columns, SCHEMA), {0: start + num})


def _measured(directory: Path, shard_plays: int) -> int:
    command = [sys.executable, __file__, "--fit", str(directory), "--shard", str(shard_plays)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _fit(directory: Path, shard_plays: int) -> int:
    dataset = read_archive(directory, CheckpointFile(directory / "fit"), signals=[], shard_plays=shard_plays)
    fit_shards(dataset.shards, dataset.catalogue, _TRAINING, network_config=_NETWORK)
    CheckpointFile(directory / "fit").remove()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
