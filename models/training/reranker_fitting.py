"""Fitting the second stage: counts of plays, and the small network on plays that the first stage has not seen.

    earlier plays -> first stage and counts ─┐
    later plays   -> anchors and targets  ───┴─> weights

The weights say how far to trust each source on future plays, so they must be fitted on plays that neither the first
stage nor the counts have seen; they serve with a first stage and counts of all plays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import HORIZONS, RerankerConfig, RerankerTraining
from models.plays.catalogue import FIRST_TRACK
from models.plays.histories import bounds_of
from models.plays.split import LongTermTruths, Split, long_term_truths
from models.serving.offline import steps_to
from models.serving.recommender import Recommender
from models.serving.reranker import Candidates, Reranker
from models.serving.step import candidates_at
from models.training.context import ignore_progress
from models.training.loop import Progress, ReportProgress
from models.training.play_counts import ReportCounted
from models.training.reranker_counts import count_shards
from models.training.shards import Shards

_LEAST_SCALE: Final = 1e-3  # keeps a feature that never varies from exploding


def fit_second_stage(
    earlier: Recommender,
    before: Shards,
    unseen: Split,
    config: RerankerConfig,
    training: RerankerTraining,
    *,
    progress: ReportProgress = ignore_progress,
) -> Reranker:
    """Fit a second stage for later recommenders on plays that an earlier one has not seen.

    Args:
        earlier: only its first stage is used.
        before: all plays before T1, which are counted.
        unseen: of plays before T1, which `earlier` may have seen, and a validation part, T1 to T2, which it has not.
        config: sizes.
        training: how to fit.
        progress: as in `fit_reranker`; called while plays are counted too.

    Raises:
        ValueError: the validation part has no anchor to learn from.
    """
    network, catalogue = earlier.network, earlier.catalogue
    report = report_counted(progress, training.epochs)
    counts = count_shards(before, catalogue, network.config, config, report).to(network.device)
    return fit_reranker(Recommender(network, catalogue, counts), unseen, training, progress)


def add_second_stage(
    alone: Recommender, shards: Shards, fitted: Reranker, progress: ReportProgress = ignore_progress
) -> Recommender:
    """Put a second stage behind a network: counts of all plays of some shards, the weights of another second stage."""
    network, catalogue = alone.network, alone.catalogue
    reranker = count_shards(shards, catalogue, network.config, fitted.config, report_counted(progress))
    reranker.take_weights(fitted)
    return Recommender(network, catalogue, reranker.to(network.device))


def report_counted(progress: ReportProgress, num_epochs: int = 0) -> ReportCounted:
    """Report what was counted as progress of the second stage, before its first epoch."""
    return lambda done, total: progress(Progress(0, num_epochs, done, total, float("nan"), "second stage"))


def fit_reranker(
    recommender: Recommender,
    split: Split,
    training: RerankerTraining,
    progress: ReportProgress = ignore_progress,
) -> Reranker:
    """Fit the weights of a recommender's second stage on plays that it has not seen.

    Args:
        recommender: first stage and counts, of plays before the split's T1. Its second stage is not fitted yet; its
            catalogue may differ from the split's.
        split: its validation part, T1 to T2, has the anchors to learn from.
        training: how to fit.
        progress: called after every batch, also while candidates are gathered; an exception from it ends the fit.

    Returns:
        The second stage, with its counts unchanged, on the CPU.

    Raises:
        ValueError: the validation part has no anchor to learn from.
    """
    reranker = recommender.reranker
    assert reranker is not None, "counts come first"
    examples = _gather(recommender, split, training, progress)
    reranker.cpu()  # a few thousand weights, over features that are there
    features = examples.features.astype(np.float32)  # (R, F)
    reranker.feature_means.copy_(torch.from_numpy(features.mean(0)))
    reranker.feature_scales.copy_(torch.from_numpy(features.std(0) + _LEAST_SCALE))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        reranker.reset_weights()
        _minimise(reranker, examples, training, progress)
    return reranker.requires_grad_(requires_grad=False)


def _minimise(reranker: Reranker, examples: _Examples, training: RerankerTraining, progress: ReportProgress) -> None:
    reranker.requires_grad_(requires_grad=True)
    optimizer = torch.optim.Adam(
        reranker.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )  # fmt: skip
    rng = np.random.default_rng(training.seed)
    num_batches = -(-examples.num_anchors // training.batch_anchors)
    for step in range(training.epochs * num_batches):
        if step % num_batches == 0:
            batches = np.array_split(rng.permutation(examples.num_anchors), num_batches)
        for group in optimizer.param_groups:
            left = 1 - step / (training.epochs * num_batches)
            group["lr"] = training.learning_rate * max(training.final_rate_share, left)
        loss = examples.loss(reranker, batches[step % num_batches])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        optimizer.step()
        epoch, batch = divmod(step, num_batches)
        progress(Progress(epoch + 1, training.epochs, batch + 1, num_batches, loss.item(), "second stage"))


@dataclass(frozen=True, slots=True)
class _Examples:
    """The R candidates of A anchors and which of them are right.

    Attributes:
        bounds: int64 (A + 1,), of the anchors' candidates.
        features: float16 (R, F).
        shares: float32 (R, 2), the target distribution of each anchor and horizon: sums to 1 if it has a target.
    """

    bounds: NDArray[np.int64]
    features: NDArray[np.float16]
    shares: NDArray[np.float32]

    @property
    def num_anchors(self) -> int:
        return len(self.bounds) - 1

    def loss(self, reranker: Reranker, anchors: NDArray[np.int64]) -> Tensor:
        """Average the cross-entropy of both horizons over some anchors: float32 ().

        Equation: ListNet with the top-one distribution, Cao et al. 2007.
        """
        lengths = np.diff(self.bounds)[anchors]
        places = np.arange(lengths.sum()) + np.repeat(self.bounds[anchors] - bounds_of(lengths)[:-1], lengths)
        numbers = torch.from_numpy(np.repeat(np.arange(len(anchors)), lengths))
        scores = reranker.score(torch.from_numpy(self.features[places].astype(np.float32)))  # (r, 2)
        logs = _log_softmax(scores, numbers, len(anchors))
        return -(torch.from_numpy(self.shares[places]) * logs).sum() / len(anchors)


def _log_softmax(scores: Tensor, anchors: Tensor, num_anchors: int) -> Tensor:
    """Normalise scores (r, 2) within each anchor's candidates."""
    numbers = anchors[:, None].expand_as(scores)
    highest = scores.new_zeros(num_anchors, scores.shape[1])
    highest.scatter_reduce_(0, numbers, scores.detach(), "amax", include_self=False)
    shifted = scores - highest[anchors]
    totals = scores.new_zeros(num_anchors, scores.shape[1]).index_add(0, anchors, shifted.exp())
    return shifted - totals.log()[anchors]


def _gather(recommender: Recommender, split: Split, training: RerankerTraining, progress: ReportProgress) -> _Examples:
    """Gather the candidates at the newest anchors of the validation part; skip anchors without a right candidate."""
    anchors = _newest(split, split.anchors("validation"), training.max_anchors)
    truths = _Truths.of(split, training.long_term_stride)
    to_split = np.concatenate([np.arange(FIRST_TRACK), split.catalogue.rows(recommender.catalogue.keys)])
    lengths, features, shares = [], [], []
    for part, step_input in steps_to(split.histories, anchors, recommender.network.config.hidden_size):
        candidates = Candidates(*(columns.cpu() for columns in candidates_at(recommender, step_input)))
        rows, numbers = to_split[candidates.tracks.numpy() + FIRST_TRACK], candidates.anchors.numpy()  # (R,)
        right = truths.shares(split, anchors[part], rows, numbers)  # (R, 2)
        teaches = np.zeros(len(step_input.anchors), np.bool_)
        teaches[numbers[right.any(1)]] = True
        lengths.append(np.bincount(numbers, minlength=len(teaches))[teaches])
        features.append(candidates.features[torch.from_numpy(teaches[numbers])].half().numpy())
        shares.append(right[teaches[numbers]])
        progress(Progress(0, training.epochs, part.stop, len(anchors), float("nan"), "second stage"))
    if not lengths or not sum(map(len, lengths)):
        raise ValueError("no next play is among the candidates, so there is nothing to fit; wait for more plays")
    return _Examples(bounds_of(np.concatenate(lengths)), np.concatenate(features), np.concatenate(shares))


def _newest(split: Split, anchors: NDArray[np.int64], num_anchors: int) -> NDArray[np.int64]:
    """Keep the anchors whose next plays are the newest, in ascending order."""
    by_time = np.argsort(split.histories.played_at_ms[anchors + 1], kind="stable")
    return np.sort(anchors[by_time[-num_anchors:]])


@dataclass(frozen=True, slots=True)
class _Truths:
    """The long-term truths of anchors.

    Attributes:
        of_anchor: the index of an anchor's truth.
        truths: of all anchors.
    """

    of_anchor: Mapping[int, int]
    truths: LongTermTruths

    @classmethod
    def of(cls, split: Split, stride: int) -> _Truths:
        truths = long_term_truths(split, "validation", stride=stride)
        return cls({int(anchor): number for number, anchor in enumerate(truths.anchors)}, truths)

    def shares(
        self, split: Split, anchors: NDArray[np.int64], rows: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Share the weight 1 of each anchor and horizon among its right candidates: float32 (R, 2).

        Args:
            split: the plays.
            anchors: int64 (A,).
            rows: int64 (R,), the candidates, those of an anchor together.
            numbers: int64 (R,), ascending: the anchor of each candidate.
        """
        shares = np.zeros((len(rows), len(HORIZONS)), np.float32)
        shares[:, 0] = rows == split.rows[anchors + 1][numbers]
        bounds = np.searchsorted(numbers, np.arange(len(anchors) + 1))
        for number, anchor in enumerate(anchors.tolist()):
            if (truth := self.of_anchor.get(anchor)) is None:
                continue
            targets = self.truths.rows[self.truths.bounds[truth] : self.truths.bounds[truth + 1]]
            right = np.isin(rows[bounds[number] : bounds[number + 1]], targets)
            shares[bounds[number] : bounds[number + 1], 1] = right / max(1, right.sum())
        return shares
