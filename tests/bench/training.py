"""Speed and peak memory of a fit, by number of tracks and plays: `python -m tests.bench.training`.

One thread and one process per fit of synthetic plays: tracks by Zipf's law, one listener per hundred plays, a third of
whose plays are repeats. Prints one line of JSON. `item_vectors` and `network` are plays per second of CPU time in one
pass, `fit` is that of a whole fit with the default config: plays times epochs over the time of all passes. A fit ends
after `--batches`, so that its cost does not depend on the number of plays.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from models.config import NetworkConfig, TrainingConfig
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories, gather_histories
from models.training.context import FitContext
from models.training.fit import fit
from models.training.loop import Progress

_PLAYS_PER_LISTENER = 100
_WARM_UP_BATCHES = 5
_NETWORK = NetworkConfig(contexts=())


class Enough(Exception):  # noqa: N818  it is no error
    """Raised to end a fit."""


def main() -> None:
    """Measure each size in a process of its own; with `--one`, be one of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--plays", type=int, nargs="+", default=[500_000, 2_000_000])
    parser.add_argument("--batches", type=int, default=60, help="how many to time (%(default)s)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", action="store_true", help="measure the first size in this process")
    arguments = parser.parse_args()
    if arguments.one:
        figures = measure(arguments.tracks[0], arguments.plays[0], arguments.batches, arguments.device)
        print(json.dumps(figures))  # noqa: T201
        return
    options = ["--batches", str(arguments.batches), "--device", arguments.device, "--one"]
    rows = [
        _measured(["--tracks", str(num_tracks), "--plays", str(num_plays), *options])
        for num_tracks in arguments.tracks
        for num_plays in arguments.plays
    ]
    print(json.dumps({"training": rows}))  # noqa: T201


def _measured(options: list[str]) -> Any:
    command = [sys.executable, "-m", "tests.bench.training", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(num_tracks: int, num_plays: int, num_batches: int, device: str) -> dict[str, float]:
    """Fit until so many batches are timed; return plays per second, and MB."""
    torch.set_num_threads(1)
    catalogue, histories = draw_plays(num_tracks, num_plays)
    before_mb, watch, config = _peak_mb(), Watch(num_batches), TrainingConfig(item_epochs=2)
    with contextlib.suppress(Enough):
        fit(histories, catalogue, config, network_config=_NETWORK, context=FitContext(device, watch))
    pass_s, batch_s = watch.pass_s(), watch.batch_s()
    epoch_s = batch_s * watch.batches_per_epoch
    defaults = TrainingConfig()
    whole_s = defaults.item_epochs * pass_s + defaults.epochs * epoch_s
    return {
        "tracks": num_tracks,
        "plays": num_plays,
        "item_vectors_plays_per_s": round(num_plays / pass_s) if pass_s else 0,
        "network_plays_per_s": round(num_plays / epoch_s),
        "fit_plays_per_s": round(num_plays * defaults.epochs / whole_s),
        "plays_mb": before_mb,
        "peak_mb": _peak_mb(),
    }


class Watch:
    """Notes the CPU time at the end of every pass and batch, and ends the fit after enough of them."""

    def __init__(self, num_batches: int, clock: Callable[[], float] = time.process_time) -> None:
        self._num_batches, self._clock = num_batches, clock
        self._passes, self._batches = list[float](), list[float]()
        self.batches_per_epoch = 0

    def __call__(self, progress: Progress) -> None:
        """Note a pass or a batch."""
        (self._batches if progress.epoch else self._passes).append(self._clock())
        self.batches_per_epoch = progress.num_batches
        if len(self._batches) > _WARM_UP_BATCHES + self._num_batches:
            raise Enough

    def pass_s(self) -> float:
        """Return the time of one pass over the sessions."""
        return self._passes[-1] - self._passes[-2] if len(self._passes) > 1 else 0.0

    def batch_s(self) -> float:
        """Return the mean time of a batch."""
        ends = self._batches[_WARM_UP_BATCHES:]
        return (ends[-1] - ends[0]) / (len(ends) - 1)


def draw_plays(num_tracks: int, num_plays: int) -> tuple[Catalogue, Histories]:
    """Draw plays, in sessions of ten minutes or so."""
    rng = np.random.default_rng(0)
    catalogue = Catalogue([f"t{number}" for number in range(num_tracks)])
    weights = 1 / (np.arange(num_tracks) + 20.0)
    tracks = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(num_plays)).clip(max=num_tracks - 1)
    listeners = np.sort(rng.integers(0, num_plays // _PLAYS_PER_LISTENER, num_plays))
    places = np.arange(num_plays)
    begins = np.searchsorted(listeners, listeners)  # of each play's listener
    earlier = begins + (rng.random(num_plays) * (places - begins)).astype(np.int64)
    tracks = np.where(rng.random(num_plays) < 1 / 3, tracks[earlier], tracks)
    gaps_s = np.where(rng.random(num_plays) < 0.1, 86_400, 200)
    times_ms = 1_400_000_000_000 + 1000 * np.cumsum(gaps_s)
    return catalogue, gather_histories(listeners, catalogue.keys[tracks], times_ms)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
