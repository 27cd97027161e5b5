"""The second stage on a CPU, compiled: what `Reranker` computes, for each anchor apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled
from models.config import NUM_COUNTED, RING_SIZE
from models.serving.attribution import coalitions_of, weights_of
from models.serving.candidate_features import FEATURES
from models.serving.collecting import collect
from models.serving.compiled_attribution import attribute_scores
from models.serving.kernel_arrays import AnchorArrays, BestArrays, Collected, Limits, Rows, Tables, Vocabulary
from models.serving.moments import Moments
from models.serving.neighbours import NeighbourTable
from models.serving.reranker import Candidates, Reranker
from models.serving.scoring import ScoringWeights, leave_out, score, write_best
from models.serving.withdrawn import Withdrawn

_SLICE: Final = 16  # anchors at a time: their candidates' features fit a processor's second cache
_FOURS: Final = 4  # weights are padded to multiples of it


class _Room(NamedTuple):
    """Where the kernels write: for one anchor, and for a slice of them."""

    vocabulary: Vocabulary
    collected: Collected


class CompiledReranker:
    """Proposes, describes and ranks candidates.

    Args:
        reranker: on a CPU, with its final weights.
        items: float32 (M, E), the tracks' unit vectors.
        temperature: float32 (), of the network.
    """

    def __init__(self, reranker: Reranker, items: Tensor, temperature: Tensor) -> None:
        self._config = reranker.config
        self._sources = reranker.sources
        self._tables = _tables(reranker, items, temperature)
        self._weights = _weights(reranker)
        self._rooms: dict[int, list[_Room]] = {}  # free ones, by the number of tracks of the first stage

    def without(self, withdrawn: Withdrawn) -> CompiledReranker:
        """Return one whose lists hold other tracks only."""
        popular = self._sources.most_popular_of_late(len(self._tables.popular), withdrawn)
        other = copy(self)
        vars(other)["_tables"] = self._tables._replace(popular=popular.numpy(), withdrawn=withdrawn.marks)
        return other

    def rank(
        self, anchors: AnchorArrays, num_masked: tuple[int, ...], sizes: tuple[int, ...]
    ) -> tuple[BestArrays, ...]:
        """Rank the candidates of every anchor for every horizon; see `Reranker.rank`.

        Args:
            anchors: A of them.
            num_masked: the tracks of how many of the latest plays are left out of each horizon's lists.
            sizes: length k of the list of each horizon.
        """
        lists = tuple(BestArrays.empty(len(anchors.heard), size) for size in sizes)
        with self._room(anchors) as room:
            _rank(self._tables, self._weights, anchors, room, (num_masked, lists))
        return lists

    def propose(self, moments: Moments) -> Candidates:
        """Gather the candidates of every anchor and their features, as `Reranker.propose` does."""
        numbers, tracks, features = [], [], []
        anchors = arrays_of(moments)
        with self._room(anchors) as (vocabulary, collected):
            for begin in range(0, max(len(anchors.heard), 1), _SLICE):
                part = begin, min(begin + _SLICE, len(anchors.heard))
                num = collect(self._tables, anchors, part, vocabulary, collected)
                of_anchors = np.repeat(np.arange(*part), np.diff(collected.bounds[begin : part[1] + 1]))
                order = np.lexsort((collected.tracks[:num], of_anchors))
                numbers.append(of_anchors)
                tracks.append(collected.tracks[:num][order].astype(np.int64))
                features.append(collected.features[: len(FEATURES), :num].T[order])
        return Candidates(*(torch.from_numpy(np.concatenate(parts)) for parts in (numbers, tracks, features)))

    def score(self, features: Tensor) -> Tensor:
        """Score candidates as `Reranker.score` does: float32 (R, F) to (R, 2)."""
        columns = np.zeros((self._weights.linear.shape[1], len(features)), np.float32)
        columns[: features.shape[1]] = features.numpy().T
        return torch.from_numpy(score(self._weights, columns, len(features)).T)

    def attribute(self, features: Tensor, baseline: Tensor, groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Divide the scores of candidates among groups of features, as `attribute` does those of `Reranker.score`."""
        of_features = np.full(len(baseline), -1)
        for group, columns in enumerate(groups):
            of_features[list(columns)] = group
        of_coalitions = weights_of(coalitions_of(len(groups)))
        return attribute_scores(
            self._weights, features.contiguous().numpy(), baseline.numpy(), of_features, of_coalitions
        )

    @contextmanager
    def _room(self, anchors: AnchorArrays) -> Iterator[_Room]:
        """Lend room for a slice of anchors, whatever is said there; several threads may ask at once."""
        num_best = anchors.best_tracks.shape[2]
        rooms = self._rooms.setdefault(num_best, [])
        try:
            vocabulary, collected = rooms.pop()
        except IndexError:
            vocabulary, collected = self._make_room(num_best)
        room = _Room(vocabulary, collected._replace(bounds=np.empty(len(anchors.heard) + 1, np.int64)))
        yield room
        rooms.append(room)

    def _make_room(self, num_best: int) -> _Room:
        config = self._config
        num_candidates = 3 * num_best + 4 * config.num_counted + config.num_pair_followers + RING_SIZE + NUM_COUNTED
        num_plays = config.num_accompanied + config.num_followed
        num = _SLICE * num_candidates + 1  # what is not chosen is written too
        num_features = -(-len(FEATURES) // _FOURS) * _FOURS
        vocabulary = Vocabulary.of(num_plays * config.num_neighbours + num_candidates)
        collected = Collected(
            bounds=np.empty(0, np.int64),
            tracks=np.empty(num, np.int32),
            plays_ago=np.empty(num, np.int32),
            features=np.zeros((num_features, num), np.float32),
        )
        return _Room(vocabulary, collected)


@compiled
def _rank(
    tables: Tables,
    weights: ScoringWeights,
    anchors: AnchorArrays,
    room: _Room,
    asked: tuple[tuple[int, ...], tuple[BestArrays, ...]],
) -> None:
    """Rank a slice of the anchors at a time: asked are how many plays are masked, and lists to be written."""
    vocabulary, collected = room
    num_masked, lists = asked
    for begin in range(0, len(anchors.heard), _SLICE):
        end = min(begin + _SLICE, len(anchors.heard))
        num = collect(tables, anchors, (begin, end), vocabulary, collected)
        leave_out(collected, num, tables.withdrawn)
        scores = score(weights, collected.features, num)
        for horizon in range(len(scores)):
            of_all = scores[horizon], tables.of_tracks
            write_best(collected, of_all, (begin, end, anchors.heard), num_masked[horizon], lists[horizon])


def arrays_of(moments: Moments) -> AnchorArrays:
    """Lay out moments on a CPU for the kernels."""
    best, tensors = moments.best, moments._asdict()
    columns = [
        best.tracks, best.scores, moments.tastes, moments.terms, moments.ring_rows, moments.ring_groups.short(),
        *(tensors[name] for name in AnchorArrays._fields[6:]),
    ]  # fmt: skip
    return AnchorArrays(*(np.ascontiguousarray(tensor.numpy()) for tensor in columns))


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
        withdrawn=np.empty(0, np.bool_),
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
