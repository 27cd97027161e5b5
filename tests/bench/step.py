"""Wall time of an answer by number of tracks and size of a batch, on one thread: `make bench-step`.

    python -m tests.bench.step [--tracks N ...] [--batches N ...] [--parts] [--first-stage-only] [--exact]

Each number of tracks is measured in a process of its own, on a synthetic world (`streamer.bench.world`) whose release
has been saved and loaded. Every listener has a full ring, full counts and one new play; lists of 20 and 50. The figure
is the fastest of several rounds, each with other listeners; CPU time is beside it. The last line is JSON.
`--parts` adds the functions of `models` that take time, each with all that it calls.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from models.config import RerankerConfig
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from streamer.bench.timing import Times, rounds
from streamer.bench.world import make_listeners, make_recommender, released, some_of
from streamer.settings import Settings
from tests.bench.machine import ONE_THREAD, describe_load, describe_machine

TRACKS: Final = (10_000, 100_000, 1_000_000)
BATCH: Final = 500
SIZES: Final = (20, 50)

_MAX_LISTENERS: Final = 2000
_ROUNDS: Final = 12
_ROUNDS_S: Final = 6.0
_ROUND_ANSWERS: Final = 64  # a round of small batches holds this many answers at least


def main() -> None:
    """Measure each number of tracks in its own process; with `--one`, be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, nargs="+", default=TRACKS)
    parser.add_argument("--batches", type=int, nargs="+", default=[BATCH], help=f"up to {_MAX_LISTENERS} listeners")
    parser.add_argument("--parts", action="store_true", help="also list functions, by time")
    parser.add_argument("--first-stage-only", action="store_true")
    parser.add_argument("--exact", action="store_true", help="score every track, also where there is an index")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_measure(options)))  # noqa: T201
        return
    machine = describe_machine()
    figures = {str(num_tracks): _measured_apart(num_tracks, options) for num_tracks in options.tracks}
    named = str(BATCH if BATCH in options.batches else options.batches[0])
    result = {
        "served_us_per_answer": {tracks: found["batches"][named]["wall_us"] for tracks, found in figures.items()},
        "cpu_us_per_answer": {tracks: found["batches"][named]["cpu_us"] for tracks, found in figures.items()},
        "figure": f"wall time of the fastest round, batches of {named}, one thread",
        "sizes": SIZES,
        "stages": 1 if options.first_stage_only else 2,
        "by_tracks": figures,
        "machine": machine | {"load_afterwards": describe_load()},
    }
    print(json.dumps(result))  # noqa: T201


def _measured_apart(num_tracks: int, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.step", "--one", "--tracks", str(num_tracks)]
    command += ["--batches", *map(str, options.batches)]
    command += [
        flag for flag in ("--parts", "--first-stage-only", "--exact") if getattr(options, flag[2:].replace("-", "_"))
    ]
    output = subprocess.run(command, env=os.environ | ONE_THREAD, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    for batch, figures in found["batches"].items():
        print(f"{num_tracks:>10,} tracks, batch {batch:>4}: {figures['wall_us']:10.1f} us", flush=True)  # noqa: T201
    for part in found.get("parts", ()):
        print(f"{part['us']:22.1f} us  {part['name']}")  # noqa: T201
    return found


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    num_tracks = options.tracks[0]
    max_neighbours = RerankerConfig().neighbours_kept(num_tracks)
    made = make_recommender(num_tracks, max_neighbours=max_neighbours, index_above=Settings().index_above)
    with tempfile.TemporaryDirectory() as directory:
        recommender = released(made, Path(directory)).recommender
    del made
    listeners = make_listeners(recommender, max(min(_MAX_LISTENERS, 4 * max(options.batches)), _ROUND_ANSWERS))
    if options.first_stage_only:
        recommender = replace(recommender, reranker=None)
    if options.exact:
        recommender = replace(recommender, index=None)
    figures: dict[str, Any] = {
        "max_neighbours": max_neighbours,
        "batches": {str(batch): time_batches(recommender, _batches(listeners, batch)) for batch in options.batches},
    }
    if options.parts:
        figures["parts"] = list_parts(recommender, _batches(listeners, max(options.batches))[0])
    return figures | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}


def _batches(listeners: StepInput, size: int) -> list[StepInput]:
    """Split listeners into batches, so that no two steps in a row find the same rows in a cache."""
    num = len(listeners.hidden)
    return [some_of(listeners, np.arange(begin, begin + size)) for begin in range(0, num - size + 1, size)][:256]


def time_batches(recommender: Recommender, batches: list[StepInput]) -> dict[str, Any]:
    """Time rounds of steps: microseconds an answer, of wall and of CPU time, each in its fastest round."""
    size = len(batches[0].anchors)
    step(recommender, some_of(batches[0], np.arange(min(size, 16))), sizes=SIZES)  # compiles, and maps what is on disk
    per_round = max(1, _ROUND_ANSWERS // size)
    times, turns = Times(per_round * size), cycle(batches)
    for _ in rounds(_ROUNDS_S, most=_ROUNDS):
        with times.timed():
            for batch in islice(turns, per_round):
                step(recommender, batch, sizes=SIZES)
    return {
        "wall_us": round(times.wall_us, 1),
        "cpu_us": round(times.cpu_us, 1),
        "median_wall_us": round(times.median_wall_us, 1),
        "rounds": len(times.wall_s),
    }


def list_parts(recommender: Recommender, batch: StepInput) -> list[dict[str, Any]]:
    """List the functions of `models` by the microseconds an answer they take, including what they call."""
    profile = cProfile.Profile()
    for _ in range(3):
        profile.runcall(step, recommender, batch, sizes=SIZES)
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # pstats is typed without its data
    parts = [
        {"name": f"{Path(path).stem}.{function}", "us": round(inclusive_s / 3 / len(batch.anchors) * 1e6, 1)}
        for (path, _, function), (_, _, _, inclusive_s, _) in stats.items()
        if "/models/" in path and "<" not in function
    ]
    return sorted((part for part in parts if part["us"] >= 0.5), key=lambda part: -part["us"])  # type: ignore[operator]


if __name__ == "__main__":
    main()
