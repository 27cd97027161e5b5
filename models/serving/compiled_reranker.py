"""The second stage on a CPU, compiled: what `Reranker` computes, for each anchor apart."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import NUM_COUNTED, RING_SIZE
from models.serving.candidate_features import FEATURES
from models.serving.collecting import collect
from models.serving.describing import LOGARITHMS, finish_features
from models.serving.kernel_arrays import AnchorArrays, Collected, Limits, Rows, Tables, Vocabulary
from models.serving.moments import Best, Moments
from models.serving.neighbours import NeighbourTable
from models.serving.reranker import Candidates, Reranker
from models.serving.scoring import ScoringWeights, best_of, score

_SLICE: Final = 16  # anchors at a time: their candidates' features fit a processor's second cache
_FOURS: Final = 4  # weights are padded to multiples of it


class CompiledReranker:
    """Proposes, describes and ranks candidates.

    Args:
        reranker: on a CPU, with its final weights.
        items: float32 (M, E), the tracks' unit vectors.
        temperature: float32 (), of the network.
    """

    def __init__(self, reranker: Reranker, items: Tensor, temperature: Tensor) -> None:
        self._config = reranker.config
        self._tables = _tables(reranker, items, temperature)
        self._weights = _weights(reranker)

    def rank(self, moments: Moments, num_masked: tuple[int, ...], sizes: tuple[int, ...]) -> list[Best]:
        """Rank the candidates of every anchor for every horizon; see `Reranker.rank`.

        Args:
            moments: at A anchors.
            num_masked: the tracks of how many of the latest plays are left out of each horizon's lists.
            sizes: length k of the list of each horizon.
        """
        lists: list[list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = [[] for _ in sizes]
        room = self._room(moments)
        for anchors in _slices(moments):
            collected, num = self._collect(anchors, room)
            scores = score(self._weights, collected.features, num)
            for horizon, (masked, size) in enumerate(zip(num_masked, sizes, strict=True)):
                of_tracks = self._tables.of_tracks[:, 2]
                found = best_of(collected, (scores[horizon], of_tracks), anchors.heard, masked, size)
                lists[horizon].append(found)
        return [
            Best(*(torch.from_numpy(np.concatenate(columns)) for columns in zip(*parts, strict=True)))
            for parts in lists
        ]

    def propose(self, moments: Moments) -> Candidates:
        """Gather the candidates of every anchor and their features, as `Reranker.propose` does."""
        numbers, tracks, features = [], [], []
        room, num_anchors = self._room(moments), 0
        for anchors in _slices(moments):
            collected, num = self._collect(anchors, room)
            of_anchors = np.repeat(np.arange(len(anchors.heard)), np.diff(collected.bounds))
            order = np.lexsort((collected.tracks[:num], of_anchors))
            numbers.append(of_anchors + num_anchors)
            tracks.append(collected.tracks[:num][order].astype(np.int64))
            features.append(collected.features[: len(FEATURES), :num].T[order])
            num_anchors += len(anchors.heard)
        return Candidates(*(torch.from_numpy(np.concatenate(parts)) for parts in (numbers, tracks, features)))

    def _room(self, moments: Moments) -> tuple[Vocabulary, Collected]:
        """Make room for a slice of anchors; whatever is said, it suffices."""
        config, num_best = self._config, moments.best.tracks.shape[2]
        num_candidates = 3 * num_best + 4 * config.num_counted + config.num_pair_followers + RING_SIZE + NUM_COUNTED
        num_plays = config.num_accompanied + config.num_followed + 2  # the current track once more, for two tables
        num_tracks = num_plays * config.num_neighbours + num_candidates + RING_SIZE
        room = min(_SLICE, len(moments.heard)) * num_candidates + 1  # what is not chosen is written too
        num_features = -(-len(FEATURES) // _FOURS) * _FOURS
        return Vocabulary.of(num_tracks), Collected(
            bounds=np.zeros(1, np.int64),
            tracks=np.empty(room, np.int32),
            plays_ago=np.empty(room, np.int32),
            features=np.zeros((num_features, room), np.float32),
        )

    def _collect(self, anchors: AnchorArrays, room: tuple[Vocabulary, Collected]) -> tuple[Collected, int]:
        """Collect and describe the candidates of a slice of anchors; return how many there are."""
        vocabulary, collected = room
        collected = collected._replace(bounds=np.zeros(len(anchors.heard) + 1, np.int64))
        collect(self._tables, anchors, vocabulary, collected)
        num = int(collected.bounds[-1])
        for rows in LOGARITHMS:
            written = collected.features[rows, :num]
            np.log(written, out=written)
        finish_features(collected.features, num)
        return collected, num


def _slices(moments: Moments) -> list[AnchorArrays]:
    num = len(moments.heard)
    by_horizon = [moments.best.tracks, moments.best.scores, moments.tastes, moments.terms]
    of_horizons = [np.ascontiguousarray(tensor.numpy()) for tensor in by_horizon]
    columns = [
        np.ascontiguousarray(tensor.numpy())
        for tensor in (
            moments.ring_rows, moments.ring_groups, moments.plays_ago, moments.heard, moments.situations,
            moments.counted_rows, moments.counts,
        )
    ]  # fmt: skip
    parts = [slice(begin, begin + _SLICE) for begin in range(0, max(num, 1), _SLICE)]
    return [
        AnchorArrays(
            *(np.ascontiguousarray(array[:, part]) for array in of_horizons), *(column[part] for column in columns)
        )
        for part in parts
    ]


def _tables(reranker: Reranker, items: Tensor, temperature: Tensor) -> Tables:
    config, sources = reranker.config, reranker.sources
    ago, recent = np.arange(config.num_followed), np.arange(config.num_accompanied)
    popularity, popularity_of_late = sources.log_popularity, sources.log_popularity_of_late
    num_popular = min(len(sources.log_popularity_of_late), config.num_first_stage + RING_SIZE + 1000)
    return Tables(
        followers=_rows(sources.followers),
        soon=_rows(sources.soon),
        companions=_rows(sources.companions),
        pair_followers=_rows(sources.pair_followers),
        pair_keys=sources.pair_keys.numpy(),
        num_followers=sources.num_followers.numpy(),
        num_soon=sources.num_soon.numpy(),
        num_pair_followers=sources.num_pair_followers.numpy(),
        of_tracks=np.stack([popularity.exp(), popularity, popularity_of_late], axis=1),
        trust_soon=(config.follower_decay**ago).astype(np.float32),
        trust_companions=np.stack([decay**recent for decay in config.companion_decays]).astype(np.float32),
        popular=sources.most_popular_of_late(num_popular).numpy(),
        items=items.numpy(),
        temperature=np.float32(temperature.item()),
        limits=Limits(config.num_first_stage, config.num_counted, config.num_neighbours, config.num_pair_followers),
    )


def _rows(table: NeighbourTable) -> Rows:
    return Rows(table.starts.numpy(), table.tracks.numpy(), table.weights.numpy())


def _weights(reranker: Reranker) -> ScoringWeights:
    """Add the scaling of features to the weights: w . (x - mean) / scale = (w / scale) . x - (w / scale) . mean."""
    with torch.no_grad():
        means, scales = reranker.feature_means, reranker.feature_scales
        first, linear = reranker.first_layer.weight / scales, reranker.linear.weight / scales
        first_biases = reranker.first_layer.bias - first @ means
        last_biases = reranker.last_layer.bias - linear @ means
        linear = linear.clone()
        for horizon in range(len(linear)):
            linear[horizon, horizon] += reranker.trust[horizon]
        return ScoringWeights(
            first=_padded(first),
            first_biases=_padded(first_biases),
            second=_padded(reranker.second_layer.weight),
            second_biases=_padded(reranker.second_layer.bias),
            last=_padded(reranker.last_layer.weight),
            linear=_padded(linear),
            last_biases=_padded(last_biases),
        )


def _padded(weights: Tensor) -> NDArray[np.float32]:
    """Pad each axis with zeros to a multiple of four."""
    return np.pad(weights.detach().numpy(), [(0, -size % _FOURS) for size in weights.shape])
