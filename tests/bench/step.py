"""Time one step of serving: `python tests/bench/step.py [cpu|cuda] [tracks] [listeners]`.

Every listener has a full ring and one new play, as in a busy stream. Prints microseconds per play, best of several
rounds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from models.config import RING_SIZE, NetworkConfig, RerankerConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.plays.counts import CountMaps, count_plays
from models.plays.features import known_plays
from models.plays.histories import Histories, bounds_of, mark_repeats
from models.plays.ring import ring_windows
from models.serving.folding import fold
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from models.training.reranker_counts import counted_reranker

NUM_ROUNDS = 10


def full_rings(catalogue: Catalogue, num_listeners: int) -> tuple[Histories, np.ndarray]:
    rng = np.random.default_rng(0)
    lengths = np.full(num_listeners, RING_SIZE + 1)
    bounds = bounds_of(lengths)
    keys = catalogue.keys[rng.integers(0, len(catalogue), bounds[-1])]
    times_ms = 1_400_000_000_000 + np.cumsum(rng.integers(1_000, 3_600_000, bounds[-1]))
    contexts = rng.integers(0, 9, bounds[-1]).astype(np.uint8)
    return Histories(bounds, keys, times_ms, contexts, mark_repeats(bounds, keys)), lengths - 1


def best_us(work: Callable[[], object], device: str) -> float:
    """Return the microseconds of the fastest round; two rounds before warm up caches and kernels."""
    rounds = []
    for _ in range(NUM_ROUNDS + 2):
        start_s = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        rounds.append(time.perf_counter() - start_s)
    return min(rounds[2:]) * 1e6


def main(device: str = "cpu", num_tracks: str = "10000", num_listeners: str = "500") -> None:
    catalogue = Catalogue([f"t{track}" for track in range(int(num_tracks))])
    torch.manual_seed(0)
    network = TasteNetwork(NetworkConfig(), len(catalogue)).eval().to(device)
    histories, fold_from = full_rings(catalogue, int(num_listeners))
    hidden = np.random.default_rng(1).standard_normal((len(fold_from), 128)).astype(np.float32)
    anchors = histories.bounds[1:] - 1
    counts = count_plays(CountMaps.empty(len(hidden)), histories.bounds, histories.track_keys, np.zeros_like(fold_from))
    step_input = StepInput(hidden, histories, fold_from, counts, fold_from, anchors)

    with torch.inference_mode():
        known = known_plays(histories, catalogue, network.config)
        alone = Recommender(network, catalogue)
        counted = counted_reranker(histories, catalogue, network.config, RerankerConfig())
        served = Recommender(network, catalogue, counted)
        parts: dict[str, Callable[[], object]] = {
            "step": lambda: step(alone, step_input),
            "  known plays": lambda: known_plays(histories, catalogue, network.config),
            "  counts": lambda: count_plays(counts, histories.bounds, histories.track_keys, fold_from),
            "  fold": lambda: fold(network, known, step_input),
            "  ring windows": lambda: ring_windows(known, histories.bounds, anchors),
            "step with a second stage": lambda: step(served, step_input),
        }
        for name, work in parts.items():
            sys.stdout.write(f"{name:25} {best_us(work, device) / len(fold_from):8.2f} us per play\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
