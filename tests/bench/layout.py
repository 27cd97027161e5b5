"""What it costs to lay out the tracks of a release, and how many neighbours stay neighbours, beside libraries.

    python -m tests.bench.layout RELEASE [TRACKS ...]

Libraries are measured if they are installed: openTSNE, umap-learn, pacmap. OMP_NUM_THREADS=1 gives each one thread.
"""

import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from models.release import load_release
from models.training.layout import lay_out

_NEAREST: Final = 10
_ASKED: Final = 500


def opentsne(vectors: np.ndarray) -> np.ndarray:
    """Lay out by t-SNE with its quadtree, which is faster than its grid below 10,000 tracks."""
    made: Any = import_module("openTSNE").TSNE(metric="cosine", negative_gradient_method="bh", n_jobs=1, random_state=1)
    return np.asarray(made.fit(vectors))


def umap(vectors: np.ndarray) -> np.ndarray:
    """Lay out by UMAP."""
    made: Any = import_module("umap").UMAP(metric="cosine", random_state=1, n_jobs=1)
    return np.asarray(made.fit_transform(vectors))


def pacmap(vectors: np.ndarray) -> np.ndarray:
    """Lay out by PaCMAP."""
    made: Any = import_module("pacmap").PaCMAP(n_neighbors=None, distance="angular", random_state=1)
    return np.asarray(made.fit_transform(vectors))


def principal(vectors: np.ndarray) -> np.ndarray:
    """Lay out on the two directions of most variance."""
    centred = vectors - vectors.mean(axis=0)
    components: np.ndarray = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -2:]
    return components


METHODS: Final[Mapping[str, Callable[[np.ndarray], np.ndarray]]] = {
    "Refrain": lay_out, "principal components": principal, "openTSNE": opentsne, "umap": umap, "pacmap": pacmap,
}  # fmt: skip


def quality(vectors: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """Measure how many neighbours are kept, and the trustworthiness, at some points."""
    asked = np.random.default_rng(1).choice(len(vectors), min(_ASKED, len(vectors)), replace=False)
    kept = strange = 0.0
    for point in asked.tolist():
        farness, distances = -vectors @ vectors[point], ((places - places[point]) ** 2).sum(axis=1)
        farness[point], distances[point] = np.inf, np.inf
        ranks = np.argsort(np.argsort(farness, kind="stable"))[np.argsort(distances, kind="stable")[:_NEAREST]]
        kept += (ranks < _NEAREST).mean()
        strange += np.maximum(0, ranks + 1 - _NEAREST).sum()
    most = _NEAREST * (2 * len(vectors) - 3 * _NEAREST - 1) / 2
    return kept / len(asked), 1 - strange / len(asked) / most


def main(location: str, sizes: list[int]) -> None:
    """Print a row for each method and number of tracks."""
    items = load_release(location).recommender.items.numpy()
    lay_out(items[:100])  # compiles
    print("| tracks | | CPU s | kept | trust |\n|---|---|---|---|---|")  # noqa: T201
    for size in [min(size, len(items)) for size in sizes or [len(items)]]:
        vectors = np.ascontiguousarray(items[:size])
        for name, method in METHODS.items():
            if name in {"Refrain", "principal components"} or find_spec(name):
                began_s = time.process_time()
                places = method(vectors)
                took_s = time.process_time() - began_s
                kept, trust = quality(vectors, places)
                print(f"| {size:,} | {name} | {took_s:.1f} | {kept:.2f} | {trust:.3f} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], [int(size) for size in sys.argv[2:]])
