"""A world to measure a step in: a release of any size, and listeners with full rings and counts, made in seconds.

It has the structure that costs depend on. Tracks form clusters of 400, whose item vectors point in similar directions,
as those of a trained network do. Most neighbours of a track are of its cluster; popular tracks have a hundred of each
kind, rare ones a few dozen, 140 together in the mean. Listeners play a few clusters each, in runs, popular tracks most
often, and their states point at what they play.

M tracks, B listeners, E embedding, H hidden.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import RING_SIZE, NetworkConfig, RerankerConfig, TrainingConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.counts import CountMaps, count_plays
from models.plays.histories import Histories, bounds_of, mark_repeats
from models.release import Release, load_files, save_release
from models.release_files import DataWindow, read_manifest
from models.release_folder import Folder
from models.serving.neighbours import NeighbourTable
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker
from models.serving.sources import Sources
from models.serving.step_input import StepInput
from models.training.track_lists import index_if_above

CLUSTER: Final = 400
MAX_NEIGHBOURS: Final = 100
"""Neighbours of each kind that a track keeps at most, as `RerankerConfig` has it."""

_NUM_FAR: Final = 3  # every third neighbour is of another cluster
_CLUSTERS_PER_LISTENER: Final = 4
_PLAYS_BEFORE: Final = 200  # counted, and no longer in the ring
_RUN: Final = 8  # plays of one cluster in a row
_MADE_AT_ONCE: Final = 100_000
_CREATED_AT_MS: Final = 1_700_000_000_000


class Rows(NamedTuple):
    """Neighbours as sparse rows, strongest first: int64 (M + 1,), int32 (N,), float32 (N,)."""

    starts: NDArray[np.int64]
    tracks: NDArray[np.int32]
    weights: NDArray[np.float32]


def released(recommender: Recommender, directory: Path) -> Release:
    """Save a release and map it where it was saved, as a worker does with its copy."""
    saved = save_release(
        Folder(str(directory)), recommender, training=TrainingConfig(), metrics={},
        data_window=DataWindow(0, _CREATED_AT_MS, 1, 1), created_at_ms=_CREATED_AT_MS,
    )  # fmt: skip
    return load_files(Path(saved.location), read_manifest(Folder(saved.location), saved.manifest_sha256))


def make_recommender(num_tracks: int, *, max_neighbours: int, index_above: int, seed: int = 0) -> Recommender:
    """Make a network and a second stage of the default sizes, and an index where the trainer would.

    Args:
        num_tracks: M.
        max_neighbours: of a track in each of the three tables.
        index_above: number of tracks above which there is an index, as the settings have it.
        seed: of all of it.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    catalogue = Catalogue([f"track-{track:08d}" for track in range(num_tracks)])
    network = TasteNetwork(NetworkConfig(), num_tracks).eval().requires_grad_(requires_grad=False)
    _point_items(network, rng)
    recommender = Recommender(network, catalogue, _reranker(num_tracks, max_neighbours, rng))
    return index_if_above(index_above, recommender)


def make_listeners(recommender: Recommender, num_listeners: int, seed: int = 1) -> StepInput:
    """Make listeners, each with a full ring, full counts and one new play, after which a step answers."""
    rng, num_tracks = np.random.default_rng(seed), len(recommender.catalogue)
    length = _PLAYS_BEFORE + RING_SIZE + 1
    clusters = _by_popularity(rng, (num_listeners, _CLUSTERS_PER_LISTENER), math.ceil(num_tracks / CLUSTER), 1.1)
    runs = rng.integers(0, _CLUSTERS_PER_LISTENER, (num_listeners, math.ceil(length / _RUN)))
    played = np.take_along_axis(clusters, np.repeat(runs, _RUN, axis=1)[:, :length], axis=1)  # (B, length) clusters
    tracks = np.minimum(played * CLUSTER + _by_popularity(rng, played.shape, CLUSTER, 1.2), num_tracks - 1)

    keys = recommender.catalogue.keys[tracks]  # (B, length)
    whole, recent = keys.shape[1], RING_SIZE + 1
    counts = count_plays(
        CountMaps.empty(num_listeners), bounds_of(np.full(num_listeners, whole - 1)),
        np.ascontiguousarray(keys[:, :-1]).ravel(), np.zeros(num_listeners, np.int64),
    )  # fmt: skip
    bounds, ring_keys = bounds_of(np.full(num_listeners, recent)), np.ascontiguousarray(keys[:, -recent:]).ravel()
    gaps_ms = rng.choice([200_000] * 12 + [9 * 3_600_000], (num_listeners, recent)).cumsum(axis=1)
    histories = Histories(
        bounds, ring_keys, (_CREATED_AT_MS + gaps_ms).ravel(),
        rng.integers(0, 9, len(ring_keys)).astype(np.uint8), mark_repeats(bounds, ring_keys),
    )  # fmt: skip
    held = np.full(num_listeners, RING_SIZE)
    hidden = _states(recommender, tracks[:, -_RUN - 1 :], rng)
    return StepInput(hidden, histories, held, counts, held, bounds[1:] - 1)


def some_of(step_input: StepInput, listeners: NDArray[np.int64]) -> StepInput:
    """Select listeners of those that `make_listeners` made."""
    histories, counts = step_input.histories.of(listeners), step_input.counts
    return StepInput(
        step_input.hidden[listeners], histories, step_input.fold_from[listeners],
        CountMaps(counts.track_keys[listeners], counts.counts[listeners]), step_input.count_from[listeners],
        histories.bounds[1:] - 1,
    )  # fmt: skip


def _by_popularity(rng: np.random.Generator, shape: tuple[int, ...], num: int, exponent: float) -> NDArray[np.int64]:
    """Draw numbers from 0 to num - 1 by Zipf's law."""
    shares = np.cumsum((np.arange(num) + 1.0) ** -exponent)
    drawn: NDArray[np.int64] = np.searchsorted(shares, rng.random(shape) * shares[-1])
    return drawn


def _point_items(network: TasteNetwork, rng: np.random.Generator) -> None:
    """Point item vectors at clusters, heads at item vectors, and let states last, as training does."""
    weights = network.embedding.weight
    num_tracks, size = len(weights) - FIRST_TRACK, weights.shape[1]
    centres = rng.standard_normal((math.ceil(num_tracks / CLUSTER), size), np.float32)
    for begin in range(0, num_tracks, _MADE_AT_ONCE):
        tracks = np.arange(begin, min(begin + _MADE_AT_ONCE, num_tracks))
        vectors = centres[tracks // CLUSTER] + 0.9 * rng.standard_normal((len(tracks), size), np.float32)
        weights[FIRST_TRACK + begin : FIRST_TRACK + begin + len(tracks)] = torch.from_numpy(vectors)
    for head in network.heads:
        assert isinstance(head, nn.Linear)
        nn.init.orthogonal_(head.weight)
    hidden = network.config.hidden_size
    biases = network.recurrence.bias_hh_l0
    assert isinstance(biases, Tensor)
    biases[hidden : 2 * hidden] = 2.0  # of the update gate: most of a state stays
    for weight in (*network.ring_weights, *network.ring_gates):
        weight.normal_(0, 0.3)


def _states(recommender: Recommender, tracks: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Make states whose taste vectors point at the latest tracks (B, n) of their listeners: float32 (B, H).

    What the states of the paper's architectures say costs nothing, so those are noise.
    """
    network = recommender.network
    noise = rng.standard_normal((len(tracks), network.config.hidden_size), np.float32)  # (B, H)
    if not isinstance(network, TasteNetwork):
        return np.tanh(noise)
    with torch.inference_mode():
        items = recommender.items[torch.from_numpy(tracks).to(network.device)].sum(dim=1)  # (B, E)
        hidden = items.new_zeros(noise.shape)
        for head in network.heads:
            assert isinstance(head.weight, Tensor)
            hidden += items @ head.weight
        hidden = 0.5 * hidden / hidden.std(dim=1, keepdim=True)
    states: NDArray[np.float32] = np.tanh(hidden.cpu().numpy() + 0.2 * noise)
    return states


def _reranker(num_tracks: int, max_neighbours: int, rng: np.random.Generator) -> Reranker:
    """Make a second stage; the tables are those that counting would give, the weights those of no training."""
    num_pairs = min(2 * num_tracks, 500_000)
    columns = {name: torch.from_numpy(values) for name, values in _columns(num_tracks, num_pairs, rng).items()}
    sources = Sources(
        followers=_table(_neighbours(num_tracks, max_neighbours, 0.1, rng)),
        soon=_table(_neighbours(num_tracks, max_neighbours, 0.05, rng)),
        companions=_table(_neighbours(num_tracks, max_neighbours, 0.4, rng)),
        pair_followers=_table(_pair_followers(num_tracks, num_pairs, rng)),
        pair_keys=torch.from_numpy(_pairs(num_tracks, num_pairs, rng)),
        **columns,
    )
    reranker = Reranker(RerankerConfig(), sources).eval().requires_grad_(requires_grad=False)
    nn.init.normal_(reranker.last_layer.weight, 0, 0.2)
    nn.init.normal_(reranker.linear.weight, 0, 0.2)
    reranker.feature_scales.uniform_(0.5, 2)
    return reranker


def _table(rows: Rows) -> NeighbourTable:
    return NeighbourTable(torch.from_numpy(rows.starts), torch.from_numpy(rows.tracks), torch.from_numpy(rows.weights))


def _neighbours(num_tracks: int, max_neighbours: int, strength: float, rng: np.random.Generator) -> Rows:
    """Relate tracks to others: the more popular a track is in its cluster, the more neighbours it has."""
    ranks = np.arange(num_tracks) % CLUSTER
    lengths = np.minimum((100 / np.sqrt(1 + ranks / 40)).astype(np.int64), max_neighbours)
    starts, distance = bounds_of(lengths), rng.permutation(min(CLUSTER, num_tracks) - 1) + 1
    tracks, weights = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for begin in range(0, num_tracks, _MADE_AT_ONCE):
        end = min(begin + _MADE_AT_ONCE, num_tracks)
        owners = np.repeat(np.arange(begin, end), lengths[begin:end])
        places = np.arange(starts[begin], starts[end]) - np.repeat(starts[begin:end], lengths[begin:end])
        of_cluster = np.minimum(CLUSTER, num_tracks - owners // CLUSTER * CLUSTER)
        near = owners // CLUSTER * CLUSTER + (owners + distance[places % len(distance)]) % of_cluster
        stride = max(1, (num_tracks - 2 * CLUSTER) // 100)
        far = (owners + CLUSTER + places * stride + rng.integers(0, stride, len(places))) % num_tracks
        part = slice(starts[begin], starts[end])
        tracks[part] = np.where(places % _NUM_FAR == 0, far, near)
        weights[part] = strength * (places + 1.0 + rng.random(len(places), np.float32)) ** -0.8
    return Rows(starts, tracks, weights)


def _pair_followers(num_tracks: int, num_pairs: int, rng: np.random.Generator) -> Rows:
    lengths = rng.integers(1, 6, num_pairs)
    starts = bounds_of(lengths)
    places = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    weights = (0.5 ** (places + 1) * rng.uniform(0.9, 1, len(places))).astype(np.float32)
    return Rows(starts, rng.integers(0, num_tracks, len(places), np.int32), weights)


def _pairs(num_tracks: int, num_pairs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Name pairs of tracks of the same cluster, rising."""
    keys: NDArray[np.int64] = np.empty(0, np.int64)
    while len(keys) < num_pairs:
        earlier = rng.integers(0, num_tracks, num_pairs)
        later = np.minimum(
            earlier // CLUSTER * CLUSTER + _by_popularity(rng, earlier.shape, CLUSTER, 0.8), num_tracks - 1
        )
        keys = np.unique(np.concatenate([keys, earlier * num_tracks + later]))
    return np.sort(rng.choice(keys, num_pairs, replace=False))


def _columns(num_tracks: int, num_pairs: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Make what is known of each track and pair besides neighbours."""
    ranks = np.arange(num_tracks) % CLUSTER + 1.0
    popularity, recent = (rng.uniform(0.5, 2, num_tracks) / ranks for _ in range(2))
    columns = {
        "num_followers": 2000 / ranks,
        "num_soon": 6000 / ranks,
        "num_pair_followers": rng.integers(1, 20, num_pairs),
        "log_popularity": np.log(popularity / popularity.sum()),
        "log_popularity_of_late": np.log(recent / recent.sum()),
    }
    return {name: values.astype(np.float32) for name, values in columns.items()}
