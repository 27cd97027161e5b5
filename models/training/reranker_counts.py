"""The counts of the second stage: tracks played after a track, tracks of the same sessions, and recent popularity."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from models.config import ArchitectureConfig, RerankerConfig
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.cooccurrence import (
    follower_counts,
    pair_follower_counts,
    row_shares,
    session_cosines,
    sessions_by_track,
    strongest,
)
from models.plays.features import DAY_MS, KnownPlays, known_plays
from models.plays.histories import Histories
from models.serving.neighbours import NeighbourTable
from models.serving.reranker import Reranker
from models.serving.sources import Sources

_REACH: Final = 10  # plays, within which a track follows soon after another
_SHRINKAGE: Final = 5.0  # sessions
_HALF_LIFE_MS: Final = 14 * DAY_MS  # of recent popularity
_LEAST_PLAYS: Final = 0.5  # of a track, so that logarithms are finite
_LEAST_RECENT_PLAYS: Final = 0.05


def counted_reranker(
    histories: Histories, catalogue: Catalogue, network_config: ArchitectureConfig, config: RerankerConfig
) -> Reranker:
    """Make an unfitted second stage that holds the counts of some plays.

    Args:
        histories: the plays.
        catalogue: the tracks to count.
        network_config: defines sessions.
        config: sizes.
    """
    known, num_tracks = known_plays(histories, catalogue, network_config), len(catalogue)
    tracks, listeners = known.rows - FIRST_TRACK, histories.listeners()[known.indices]
    followers, soon = (follower_counts(tracks, listeners, num_tracks, reach=reach) for reach in (1, _REACH))
    pairs = pair_follower_counts(tracks, listeners, num_tracks)
    closeness = session_cosines(sessions_by_track(tracks, known.sessions, num_tracks), shrinkage=_SHRINKAGE)
    popularity, recent_popularity = _popularities(known, num_tracks)

    width = config.num_neighbours
    sources = Sources(
        followers=_table(row_shares(followers), width),
        soon=_table(row_shares(soon), width),
        companions=_table(closeness, width),
        pair_followers=_table(row_shares(pairs.counts), config.num_pair_followers),
        pair_keys=torch.from_numpy(pairs.keys),
        num_followers=_float32(followers.sum(axis=1)),
        num_soon=_float32(soon.sum(axis=1)),
        num_pair_followers=_float32(pairs.counts.sum(axis=1)),
        log_popularity=_float32(np.log(popularity)),
        log_popularity_of_late=_float32(np.log(recent_popularity)),
    )
    return Reranker(config, sources).requires_grad_(requires_grad=False).eval()


def _popularities(known: KnownPlays, num_tracks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute each track's share of all plays, and of recent plays, which count half after each half-life: (M,)."""
    tracks = known.rows - FIRST_TRACK
    ages_ms = known.played_at_ms.max(initial=0) - known.played_at_ms
    counts = np.bincount(tracks, minlength=num_tracks) + _LEAST_PLAYS
    recent = np.bincount(tracks, 0.5 ** (ages_ms / _HALF_LIFE_MS), minlength=num_tracks) + _LEAST_RECENT_PLAYS
    return counts / counts.sum(), recent / recent.sum()


def _table(counts: csr_array, width: int) -> NeighbourTable:
    neighbours = strongest(counts, width)
    return NeighbourTable.from_padded(torch.from_numpy(neighbours.tracks), torch.from_numpy(neighbours.weights))


def _float32(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
