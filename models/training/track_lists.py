"""Building an index: k-means puts similar tracks into lists."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from models.serving.recommender import Recommender
from models.serving.track_index import TrackIndex

_LISTS: Final = 2.0  # times the root of the number of tracks: centroids and tracks of lists take alike to score
_SAMPLED_PER_LIST: Final = 64
_PASSES: Final = 10
_ASSIGNED_AT_ONCE: Final = 256  # their products with thousands of centroids fit a processor's caches
_SEED: Final = 1


def index_if_above(num_tracks: int, recommender: Recommender) -> Recommender:
    """Add an index if there are more tracks; of fewer, the first stage scores every one."""
    return with_index(recommender) if len(recommender.catalogue) > num_tracks else recommender


def with_index(recommender: Recommender) -> Recommender:
    """Add an index of a recommender's tracks, on the CPU: workers with a GPU score every track."""
    return replace(recommender, index=build_index(recommender.items.cpu()))


def build_index(items: Tensor) -> TrackIndex:
    """Put unit vectors, float32 (M, E), into lists of similar ones."""
    num_lists = min(len(items), round(_LISTS * math.sqrt(len(items))))
    centroids = _centroids(items, num_lists)
    used, lists = torch.unique(_nearest(items, centroids), return_inverse=True)  # nothing is found in empty lists
    return TrackIndex.of(items, centroids[used], lists)


def _centroids(items: Tensor, num_lists: int) -> Tensor:
    """Find the centres of L clusters of a sample: float32 (L, E)."""
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(_SEED))
    sample = items[order[: num_lists * _SAMPLED_PER_LIST]]
    centroids = sample[:num_lists].clone()
    for _ in range(_PASSES):
        lists = _nearest(sample, centroids)
        sums = torch.zeros_like(centroids).index_add_(0, lists, sample)
        lengths = torch.bincount(lists, minlength=num_lists)[:, None]  # (L, 1)
        centroids = (sums / lengths.clamp(min=1)).where(lengths > 0, centroids)
    return centroids


def _nearest(vectors: Tensor, centroids: Tensor) -> Tensor:
    """Find the nearest centroid of each vector: int64 (n,)."""
    halves = centroids.square().sum(1) / -2  # |x - c|^2 = |x|^2 - 2 (x.c - |c|^2 / 2)
    parts = torch.split(vectors, _ASSIGNED_AT_ONCE)
    return torch.cat([torch.addmm(halves, part, centroids.T).argmax(1) for part in parts])
