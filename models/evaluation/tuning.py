"""Trials: scores of candidates on the validation part, so that the best is chosen before the test part is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.baselines import Baseline, Method, rank
from models.evaluation.metrics import LONG_TERM_STRIDE, long_term_metrics, short_term_metrics
from models.plays.split import Lists, LongTermTruths, Split, long_term_truths

STRIDE: Final = 4
"""Every how many validation anchors one is used in a trial."""

_DAMPINGS: Final = (1.0, 0.5, 0.25, 0.1, 0.01)


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """How good lists are on the validation part."""

    hr_at_20: float
    mrr_at_20: float
    lt_recall_at_100: float

    @property
    def short_term(self) -> float:
        """Add hit rate and reciprocal rank, with equal weights."""
        return self.hr_at_20 + self.mrr_at_20


@dataclass(frozen=True, slots=True)
class ValidationScorer:
    """Scores lists at some of the validation anchors.

    Attributes:
        split: the plays.
        anchors: int64 (A,), the anchors that need lists.
        truths: of the long-term ones among them.
    """

    split: Split
    anchors: NDArray[np.int64]
    truths: LongTermTruths

    @classmethod
    def of(cls, split: Split) -> ValidationScorer:
        """Pick the anchors."""
        anchors = split.anchors("validation")[::STRIDE]
        return cls(split, anchors, long_term_truths(split, "validation", stride=STRIDE * LONG_TERM_STRIDE))

    def score(self, lists: Lists) -> ValidationScore:
        """Compare the lists at the anchors with what the listeners played."""
        short_term = short_term_metrics(self.split, self.anchors, lists.short_term)
        rows = lists.long_term[np.searchsorted(self.anchors, self.truths.anchors)]  # (L, 100)
        long_term = long_term_metrics(self.truths, rows, np.ones(len(self.truths.rows), np.bool_))
        return ValidationScore(
            hr_at_20=float(short_term["HR@20"].mean()),
            mrr_at_20=float(short_term["MRR@20"].mean()),
            lt_recall_at_100=float(long_term["recall@100"].mean()) if len(rows) else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate and its score.

    Attributes:
        settings: hyperparameters by name.
        score: on the validation part.
    """

    settings: dict[str, Any]
    score: ValidationScore


def choose_baseline(variants: Sequence[Method], split: Split) -> tuple[Baseline, list[Trial]]:
    """Try the variants of a baseline and take the best for each horizon.

    Args:
        variants: at least one.
        split: the plays; the test part is not read.

    Returns:
        The baseline, chosen by HR@20 + MRR@20 short-term and by recall@100 long-term, and all trials.
    """
    scorer = ValidationScorer.of(split)
    scores: list[tuple[ValidationScore, Method, float]] = []
    for method in variants:
        lists_by_damping = rank(method.fit(split), split, scorer.anchors, _DAMPINGS)
        scores += [
            (scorer.score(lists), method, damping) for damping, lists in zip(_DAMPINGS, lists_by_damping, strict=True)
        ]
    _, short_term, damping = max(scores, key=lambda one: one[0].short_term)
    _, long_term, _ = max(scores, key=lambda one: one[0].lt_recall_at_100)
    trials = [Trial(_settings(method) | {"damping": damping}, score) for score, method, damping in scores]
    return Baseline(short_term, long_term, damping), trials


def _settings(method: Method) -> dict[str, Any]:
    return asdict(method)  # type: ignore[call-overload, no-any-return]  # every method is a frozen dataclass
