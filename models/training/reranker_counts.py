"""The counts of the second stage: tracks played after a track, tracks of the same sessions, and recent popularity."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ArchitectureConfig, RerankerConfig
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.plays.ragged_rows import RaggedRows
from models.serving.neighbours import NeighbourTable
from models.serving.reranker import Reranker
from models.serving.sources import Sources
from models.training.play_counts import CountLimits, ReportCounted, count_plays
from models.training.shards import Shard, Shards


def counted_reranker(
    histories: Histories, catalogue: Catalogue, network_config: ArchitectureConfig, config: RerankerConfig
) -> Reranker:
    """Make an unfitted second stage that holds the counts of some plays; arguments are those of `count_shards`."""
    return count_shards([Shard(histories)], catalogue, network_config, config)


def count_shards(
    shards: Shards,
    catalogue: Catalogue,
    network_config: ArchitectureConfig,
    config: RerankerConfig,
    report: ReportCounted = lambda *_: None,
) -> Reranker:
    """Make an unfitted second stage that holds the counts of all plays of some shards.

    Args:
        shards: the plays.
        catalogue: the tracks to count.
        network_config: defines sessions.
        config: sizes.
        report: as in `count_plays`.
    """
    limits = CountLimits(config.neighbours_kept(len(catalogue)), config.num_pair_followers)
    counts = count_plays(shards, catalogue, network_config, limits, report)
    sources = Sources(
        followers=_table(counts.followers),
        soon=_table(counts.soon),
        companions=_table(counts.companions),
        pair_followers=_table(counts.pair_followers),
        pair_keys=torch.from_numpy(counts.pair_keys),
        num_followers=_float32(counts.num_followers),
        num_soon=_float32(counts.num_soon),
        num_pair_followers=_float32(counts.num_pair_followers),
        log_popularity=_float32(np.log(counts.popularity)),
        log_popularity_of_late=_float32(np.log(counts.recent_popularity)),
    )
    return Reranker(config, sources).requires_grad_(requires_grad=False).eval()


def _table(rows: RaggedRows) -> NeighbourTable:
    starts, tracks, weights = (torch.from_numpy(column) for column in (rows.starts, rows.tracks, rows.weights))
    return NeighbourTable(starts, tracks, weights)


def _float32(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
