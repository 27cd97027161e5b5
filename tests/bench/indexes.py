"""The first stage beside libraries for approximate search: recall, CPU a query, CPU to build, and memory.

    .venv-bench/bin/python -m tests.bench.indexes [--tracks N] [--release LOCATION] [--only NAME ...]

One thread, a process for each contender. The 100 best of 164 asked for are judged, in batches of 1,000 queries, as 500
answers make them, and of two. Vectors are those of `streamer.bench.world`, or as many as asked for between neighbours
of a trained release, with taste vectors of its network after a dozen similar tracks. A library that is not installed is
left out: hnswlib, whose algorithm voyager has too, is in no group, since installing it takes a compiler.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.config import HORIZONS, RING_SIZE
from models.plays.catalogue import FIRST_TRACK
from models.plays.features import num_features
from models.release import load_release
from models.serving.indexed_first_stage import IndexedFirstStage
from models.serving.rounded_first_stage import RoundedFirstStage
from models.training.track_lists import build_index
from streamer.bench.world import CLUSTER
from tests.bench.machine import ONE_THREAD, memory_mb

JUDGED: Final = 100
NUM: Final = JUDGED + RING_SIZE
_ANSWERS: Final = 500
_ROUNDS: Final = 3
_NUM_NEAR: Final = 20
_NUM_PLAYS: Final = 12
_LINKS: Final = 16

#: Memory that was freed leaves the process, and is not taken for a contender's later.
_RETURNED: Final = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}

Rows: TypeAlias = "NDArray[np.int64]"
Search: TypeAlias = Callable[[Tensor], Rows]


class Found(NamedTuple):
    """A way to search, once built."""

    name: str
    search: Search


def main() -> None:
    """Measure each contender in its own process, on the same vectors; with `--one`, be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--release", help="a trained one to take vectors and a network from")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _measure(options.only[0], options)
        return
    print("| | recall, short-term | long-term | us a query | of two | built in s | MB |\n|---|--:|--:|--:|--:|--:|--:|")  # noqa: T201
    for name in options.only:
        if name in LIBRARIES and find_spec(name) is None:
            print(f"{name} is not installed", file=sys.stderr)  # noqa: T201
            continue
        command = [sys.executable, "-m", "tests.bench.indexes", "--one", "--tracks", str(options.tracks)]
        command += [] if options.release is None else ["--release", options.release]
        subprocess.run([*command, "--only", name], env=os.environ | ONE_THREAD | _RETURNED, check=True)


def _measure(contender: str, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    with torch.inference_mode():
        items, tastes = _of_world(options.tracks) if options.release is None else _grown(options)
        before_mb, begin_s = memory_mb()["own"], time.process_time()
        contenders = CONTENDERS[contender](items)
        first = next(contenders)
        built = time.process_time() - begin_s, memory_mb()["own"] - before_mb
        expected = RoundedFirstStage(items).best(tastes, NUM).tracks.numpy()[:, :JUDGED]
        for found in chain([first], contenders):
            _report(found, tastes, expected, built)


def _report(found: Found, tastes: Tensor, expected: Rows, built: tuple[float, int]) -> None:
    """Print a row of the table."""
    rows = found.search(tastes)[:, :JUDGED]
    recalls = np.array([np.isin(*pair).mean() for pair in zip(rows, expected, strict=True)]).reshape(len(HORIZONS), -1)
    many_us = _cpu_us(lambda: found.search(tastes)) / len(tastes)
    pairs = tastes.view(len(HORIZONS), -1, tastes.shape[1]).transpose(0, 1)[:20]
    few_us = _cpu_us(lambda: [found.search(pair.contiguous()) for pair in pairs]) / pairs.shape[:2].numel()
    of_horizons = " | ".join(f"{recall:.3f}" for recall in recalls.mean(1))
    print(f"| {found.name} | {of_horizons} | {many_us:.0f} | {few_us:.0f} | {built[0]:.0f} | {built[1]} |", flush=True)  # noqa: T201


def _cpu_us(search: Callable[[], object]) -> float:
    """Measure the fastest of several rounds; the first one does not count."""
    taken_s = []
    for _ in range(_ROUNDS + 1):
        begin_s = time.process_time()
        search()
        taken_s.append(time.process_time() - begin_s)
    return min(taken_s[1:]) * 1e6


def _of_world(num_tracks: int) -> tuple[Tensor, Tensor]:
    """Make vectors of clusters, float32 (M, E), and taste vectors near some of them, float32 (2 A, E)."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(-(-num_tracks // CLUSTER), 64, generator=generator)
    items = centres[torch.arange(num_tracks) // CLUSTER] + 0.9 * torch.randn(num_tracks, 64, generator=generator)
    near = items[torch.randint(0, num_tracks, (len(HORIZONS) * _ANSWERS,), generator=generator)]
    tastes = near + 0.6 * torch.randn(near.shape, generator=generator)
    return functional.normalize(items, dim=1), functional.normalize(tastes, dim=1)


def _grown(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Put vectors between the neighbours of a release's tracks, and ask its network for taste vectors."""
    recommender = load_release(options.release).recommender
    items, network, generator = recommender.items, recommender.network, torch.Generator().manual_seed(0)
    near = torch.cat([(part @ items.T).topk(_NUM_NEAR).indices for part in torch.split(items, 500)])
    first = torch.randint(0, len(items), (_ANSWERS,), generator=generator)
    places = torch.randint(0, _NUM_NEAR, (_ANSWERS, _NUM_PLAYS), generator=generator)
    features = torch.zeros(_ANSWERS, _NUM_PLAYS, num_features(network.config))
    start = torch.zeros(_ANSWERS, network.config.hidden_size)
    states = network.recur(near[first].gather(1, places) + FIRST_TRACK, features, start)[:, -1]
    read = network.read(states)
    tastes = torch.cat([network.tastes(read, horizon) for horizon in range(len(HORIZONS))])
    one = torch.randint(0, len(items), (options.tracks,), generator=generator)
    other = near[one, torch.randint(1, _NUM_NEAR, (options.tracks,), generator=generator)]
    ways = items[other] - items[one]
    noise = torch.randn(ways.shape, generator=generator) / ways.shape[1] ** 0.5
    shares = 0.6 * torch.rand(options.tracks, 1, generator=generator)
    grown = items[one] + shares * ways + 0.35 * ways.norm(dim=1, keepdim=True) * noise
    return functional.normalize(grown, dim=1), tastes


def _exact(items: Tensor) -> Iterator[Found]:
    stage = RoundedFirstStage(items)
    yield Found("every track", lambda tastes: stage.best(tastes, NUM).tracks.numpy())


def _index(items: Tensor) -> Iterator[Found]:
    """Visit as many lists as a worker does, and twice as many."""
    index = build_index(items)
    stage = IndexedFirstStage(index, items)
    num_visits = stage._num_visits
    for times in (1, 2):
        stage._num_visits = times * num_visits
        name = f"Refrain, {stage._num_visits} of {len(index.centroids):,} lists"
        yield Found(name, lambda tastes: stage.best(tastes, NUM).tracks.numpy())


def _faiss(items: Tensor) -> Iterator[Found]:
    """Fast scan of 4-bit products in inverted lists, exact re-scoring of four times as many as wanted."""
    faiss: Any = import_module("faiss")
    faiss.omp_set_num_threads(1)
    num_lists = round(len(items) ** 0.5)
    index = faiss.index_factory(items.shape[1], f"IVF{num_lists},PQ64x4fs,RFlat", faiss.METRIC_INNER_PRODUCT)
    lists = faiss.try_extract_index_ivf(index)
    lists.cp.max_points_per_centroid, lists.cp.niter, index.k_factor = 64, 10, 4
    index.train(items.numpy())
    index.add(items.numpy())
    for share in (16, 8):
        lists.nprobe = num_lists // share
        name = f"faiss PQ64x4fs, {lists.nprobe} of {num_lists:,} lists"
        yield Found(name, lambda tastes: index.search(tastes.numpy(), NUM)[1])


def _hnswlib(items: Tensor) -> Iterator[Found]:
    hnswlib: Any = import_module("hnswlib")
    index = hnswlib.Index("ip", items.shape[1])
    index.init_index(len(items), ef_construction=80, M=_LINKS)
    index.set_num_threads(1)
    index.add_items(items.numpy())
    for breadth in (200, 400):
        index.set_ef(breadth)
        yield Found(f"hnswlib, ef {breadth}", lambda tastes: index.knn_query(tastes.numpy(), NUM)[0].astype(np.int64))


def _usearch(items: Tensor) -> Iterator[Found]:
    usearch: Any = import_module("usearch.index")
    index = usearch.Index(ndim=items.shape[1], metric="ip", dtype="f16", connectivity=_LINKS, expansion_add=80)
    index.add(np.arange(len(items)), items.numpy(), threads=1)

    def search(tastes: Tensor) -> Rows:
        return np.asarray(index.search(tastes.numpy(), NUM, threads=1).keys).astype(np.int64)

    for breadth in (200, 400):
        index.expansion_search = breadth
        yield Found(f"usearch, float16, ef {breadth}", search)


def _voyager(items: Tensor) -> Iterator[Found]:
    voyager: Any = import_module("voyager")
    index = voyager.Index(
        voyager.Space.InnerProduct, items.shape[1], M=_LINKS, ef_construction=80, max_elements=len(items),
        storage_data_type=voyager.StorageDataType.Float32,
    )  # fmt: skip
    index.add_items(items.numpy(), num_threads=1)

    def searching(breadth: int) -> Search:
        return lambda tastes: index.query(tastes.numpy(), NUM, num_threads=1, query_ef=breadth)[0].astype(np.int64)

    for breadth in (200, 400):
        yield Found(f"voyager, ef {breadth}", searching(breadth))


LIBRARIES: Final[dict[str, Callable[[Tensor], Iterator[Found]]]] = {
    "faiss": _faiss,
    "hnswlib": _hnswlib,
    "usearch": _usearch,
    "voyager": _voyager,
}
CONTENDERS: Final = {"exact": _exact, "index": _index} | LIBRARIES

if __name__ == "__main__":
    main()
