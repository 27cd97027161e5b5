"""What it costs a worker to take up a release: CPU, memory, and the longest pause of its event loop meanwhile.

`python -m tests.bench.taking_up [--tracks N] [--directory D]` saves a release of N tracks, then takes it up in two
fresh processes: one that copies it, and one that finds its own copy, as after a restart. The last line is JSON, with a
row for each. On a busy machine a loop pauses without any release: the longest pause of some idle seconds is beside.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import torch

from models.config import RerankerConfig, TrainingConfig
from models.release import save_release
from models.release_folder import Folder
from streamer.bench.world import make_recommender
from streamer.releases.copies import KeptCopies
from streamer.releases.loading import notice_of
from streamer.releases.store import Store
from streamer.runtime.threads import call_unjoined
from streamer.settings import Settings
from streamer.worker.shelf import Shelf
from tests.bench.apart import print_line
from tests.bench.machine import memory_mb
from tests.builders import WINDOW, record, save_tiny_release

_BEAT_S = 0.001
_IDLE_S = 3.0


def main() -> None:
    """Save a release, then measure; with `--save` or `--take-up`, be one of those processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tracks", type=int, default=1_000_000, help="(%(default)s)")
    parser.add_argument("--neighbours", type=int, help="the most of a track in each table; default: as a trainer keeps")
    parser.add_argument("--directory", type=Path, help="keep the release here")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--take-up", action="store_true")
    arguments = parser.parse_args()
    if arguments.save:
        _save(arguments.directory, arguments.tracks, arguments.neighbours)
    elif arguments.take_up:
        print_line(json.dumps(asyncio.run(_take_up(arguments.directory))))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            directory = arguments.directory or Path(scratch)
            saved, *taken_up = (_measured(step, arguments, directory) for step in ("--save", "--take-up", "--take-up"))
        print_line(json.dumps({"saved": saved, "taking_up": taken_up}))


def _measured(step: str, arguments: argparse.Namespace, directory: Path) -> Any:
    """Run a step in a process of its own, and show what it printed."""
    neighbours = arguments.neighbours or RerankerConfig().neighbours_kept(arguments.tracks)
    sizes = ["--tracks", str(arguments.tracks), "--neighbours", str(neighbours)]
    command = [sys.executable, "-m", "tests.bench.taking_up", step, *sizes, "--directory", str(directory)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    print_line(printed)
    return json.loads(printed)


def _save(directory: Path, num_tracks: int, max_neighbours: int) -> None:
    """Save a release of Refrain's sizes, and a notice of it."""
    recommender = make_recommender(num_tracks, max_neighbours=max_neighbours, index_above=Settings().index_above)
    before_mb, cpu_s = memory_mb(), time.process_time()
    saved = save_release(
        Folder(str(directory)), recommender,
        training=TrainingConfig(), metrics={}, data_window=WINDOW, created_at_ms=1_700_000_000_000,
    )  # fmt: skip
    cpu_s = time.process_time() - cpu_s
    (directory / "notice").write_bytes(msgspec.json.encode(notice_of(saved)))
    files_mb = {path.name: path.stat().st_size >> 20 for path in Path(saved.location).iterdir()}
    figures = {"files_mb": files_mb, "cpu_s": cpu_s, "before_mb": before_mb, "after_mb": memory_mb()}
    print_line(json.dumps(figures))


async def _take_up(directory: Path) -> dict[str, object]:
    """Take up a tiny release, so that everything is imported and compiled, then the one to measure."""
    with tempfile.TemporaryDirectory() as scratch:
        first = msgspec.json.encode(notice_of(save_tiny_release(Path(scratch))))
        _shelf(Path(scratch)).load(record(0, b"champion", first))
    second, shelf, pauses_s = (directory / "notice").read_bytes(), _shelf(directory), list[float]()
    figures: dict[str, object] = {"from": "own copy" if shelf.copies.directory.exists() else "store"}
    before_mb, beating = memory_mb(), asyncio.create_task(_beat(pauses_s))
    await asyncio.sleep(_IDLE_S)
    figures["idle_pause_ms"] = 1000 * max(pauses_s)
    pauses_s.clear()
    start_s, cpu_s = time.perf_counter(), time.process_time()
    champion = await call_unjoined(lambda: shelf.load(record(0, b"champion", second)))
    figures |= {"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - start_s}
    beating.cancel()
    figures |= {"longest_pause_ms": 1000 * max(pauses_s), "tracks": len(champion.release.catalogue)}
    return figures | {"before_mb": before_mb, "after_mb": memory_mb()}


def _shelf(directory: Path) -> Shelf:
    return Shelf(Store(str(directory)), torch.device("cpu"), 1 << 40, KeptCopies(directory / "copies"))


async def _beat(pauses_s: list[float]) -> None:
    """Wake up every millisecond, and note how late."""
    while True:
        slept_s = time.perf_counter()
        await asyncio.sleep(_BEAT_S)
        pauses_s.append(time.perf_counter() - slept_s - _BEAT_S)


if __name__ == "__main__":
    main()
