"""A baseline: one scoring method for each horizon, fitted on the plays before T1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.evaluation.baselines.queries import latest_plays
from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Lists, Part, Split
from models.serving.ranking import top_k

_NUM_DAMPED: Final = 20
_MAX_SCORES: Final = 1 << 22  # held at once: 16 MiB
_TIE_BREAK: Final = 1e-3  # share that the most popular track's score gains: enough to break ties in float32
_NONE: Final = np.empty(0, np.int64)
_UNSCORED: Final = 1e-30  # replaces a score of 0; below every other score


class Scorer(Protocol):
    """A fitted method."""

    def score(self, split: Split, anchors: NDArray[np.int64]) -> csr_array:
        """Score tracks at some anchors by the listeners' plays up to them: float32 (A, M), 0 and above."""


class Method(Protocol):
    """Hyperparameters of one scoring method."""

    def fit(self, split: Split) -> Scorer:
        """Count the plays before T1."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One method per horizon; both may be the same.

    Attributes:
        short_term: for the next play.
        long_term: for the coming weeks.
        damping: factor on the scores of the latest 20 plays in the short-term list; methods that score by similarity
            put the tracks just heard on top, where they are seldom right. 1: no damping.
    """

    short_term: Method
    long_term: Method
    damping: float = 1.0

    def fit(self, split: Split) -> FittedBaseline:
        """Count the plays before T1."""
        short_term = self.short_term.fit(split)
        same = self.short_term == self.long_term
        return FittedBaseline(short_term, short_term if same else self.long_term.fit(split), self.damping)


@dataclass(frozen=True, slots=True)
class FittedBaseline:
    """A baseline with its fitted scorers."""

    short_term: Scorer
    long_term: Scorer
    damping: float

    def rank(self, split: Split, part: Part, withdrawn: NDArray[np.int64] = _NONE) -> Lists:
        """Answer at every anchor of a part by the protocol, with none of some tracks: int64 (W,), 0..M-1."""
        anchors = split.anchors(part)
        (lists,) = rank(self.short_term, split, anchors, [self.damping], withdrawn)
        if self.long_term is self.short_term:
            return lists
        (long_term,) = rank(self.long_term, split, anchors, [1.0], withdrawn)
        return Lists(lists.short_term, long_term.long_term)


def rank(
    scorer: Scorer,
    split: Split,
    anchors: NDArray[np.int64],
    dampings: Sequence[float],
    withdrawn: NDArray[np.int64] = _NONE,
) -> list[Lists]:
    """Rank by a scorer; equal scores, and tracks without any, are ranked by their plays before T1.

    Args:
        scorer: scores the tracks.
        split: the plays.
        anchors: int64 (A,), the plays to answer after.
        dampings: factors on the latest plays in the short-term lists.
        withdrawn: int64 (W,), the tracks that no list holds, 0..M-1.

    Returns:
        The lists of both horizons, for each of the dampings.
    """
    popularity = torch.from_numpy(_popularity(split))  # (M,)
    unlisted = torch.from_numpy(withdrawn)  # (W,)
    short_term: list[list[Tensor]] = [[] for _ in dampings]
    long_term: list[Tensor] = []
    for part in _slices(anchors, len(popularity)):
        scores = torch.from_numpy(scorer.score(split, part).toarray())  # (a, M)
        scores = torch.addcmul(scores, scores, popularity, value=_TIE_BREAK).add_(popularity, alpha=_UNSCORED)
        long_term.append(top_k(scores.index_fill(1, unlisted, -torch.inf), LONG_TERM_SIZE)[0])
        for damping, lists in zip(dampings, short_term, strict=True):
            damped = _damp(scores, split, part, damping).index_fill(1, unlisted, -torch.inf)
            lists.append(top_k(damped, SHORT_TERM_SIZE)[0])
    return [Lists(_joined(lists, SHORT_TERM_SIZE), _joined(long_term, LONG_TERM_SIZE)) for lists in short_term]


def _popularity(split: Split) -> NDArray[np.float32]:
    """Rank the tracks by their plays before T1, ties by catalogue row: float32 (M,), distinct, the first has 1."""
    train = split.histories.played_at_ms < split.t1_ms
    counts = np.bincount(split.rows[train] - FIRST_TRACK, minlength=len(split.catalogue))
    places = np.empty(len(counts), np.float32)
    places[np.argsort(-counts, kind="stable")] = np.arange(len(counts), 0, -1) / len(counts)
    return places


def _slices(anchors: NDArray[np.int64], num_tracks: int) -> Iterator[NDArray[np.int64]]:
    size = max(1, _MAX_SCORES // num_tracks)
    for begin in range(0, len(anchors), size):
        yield anchors[begin : begin + size]


def _damp(scores: Tensor, split: Split, anchors: NDArray[np.int64], damping: float) -> Tensor:
    """Lower the scores (A, M) of the latest plays."""
    if damping == 1:
        return scores
    plays, _ = latest_plays(split, anchors, _NUM_DAMPED)
    places = torch.from_numpy(split.rows[plays] - FIRST_TRACK)  # (A, n)
    return scores.scatter(1, places, damping * scores.gather(1, places))


def _joined(lists: Sequence[Tensor], size: int) -> NDArray[np.int64]:
    joined: NDArray[np.int64] = torch.cat([torch.empty((0, size), dtype=torch.int64), *lists]).numpy()
    return joined
