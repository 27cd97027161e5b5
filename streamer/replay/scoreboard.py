"""The scoreboard: the scores of recommenders on the test part of a recording, one row each."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from models.evaluation.baselines import BASELINES
from models.evaluation.metrics import Estimate
from models.evaluation.protocol import evaluate, rank_anchors, rank_anchors_as_served
from models.plays.split import Lists, Split
from models.release import Release

#: The baselines that a network must beat.
BASELINES_SHOWN: Final = ("popularity", "markov")

#: Scores that differ by less are equal to three decimals.
TOLERANCE: Final = 5e-4

_NOTHING_ASKED: Final = Estimate(nan, nan, nan)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a recommender, with 95 % intervals; NaN if no play of the part can be asked."""

    hr_at_20: Estimate
    mrr_at_20: Estimate
    lt_recall_at_100: Estimate

    def means(self) -> dict[str, float]:
        """Return the means by name."""
        return {"hr_at_20": self.hr_at_20.mean, "mrr_at_20": self.mrr_at_20.mean,
                "lt_recall_at_100": self.lt_recall_at_100.mean}  # fmt: skip

    def agrees_with(self, others: "Scores") -> bool:
        """Whether all means are equal to three decimals; a score that is NaN in either counts as equal."""
        pairs = zip(self.means().values(), others.means().values(), strict=True)
        return not any(abs(mine - other) >= TOLERANCE for mine, other in pairs)


def score(split: Split, lists: Lists) -> Scores:
    """Compare the lists at the test anchors with the plays that followed."""
    groups = evaluate(split, "test", lists).groups
    short_term, long_term = (groups.get(name) for name in ("short-term/all", "long-term/all"))
    return Scores(
        hr_at_20=short_term.metrics["HR@20"] if short_term else _NOTHING_ASKED,
        mrr_at_20=short_term.metrics["MRR@20"] if short_term else _NOTHING_ASKED,
        lt_recall_at_100=long_term.metrics["recall@100"] if long_term else _NOTHING_ASKED,
    )


def score_by_protocol(release: Release, split: Split) -> Scores:
    """Score a release offline, without cold plays: comparable with published figures."""
    return score(split, rank_anchors(release.recommender, split, "test"))


def score_as_served(release: Release, split: Split) -> Scores:
    """Score a release offline over the plays of a stream, including cold ones."""
    return score(split, rank_anchors_as_served(release.recommender, split, "test"))


def score_baseline(name: str, split: Split) -> Scores:
    """Score a baseline."""
    return score(split, BASELINES[name].fit(split).rank(split, "test"))


def draw(title: str, rows: Mapping[str, Scores]) -> Table:
    """Draw one row per recommender; 80 columns are enough."""
    table = Table("", title=title, box=SIMPLE_HEAD, pad_edge=False)
    for column in ("HR@20", "MRR@20", "lt recall@100"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, scores in rows.items():
        table.add_row(name, *map(_with_interval, (scores.hr_at_20, scores.mrr_at_20, scores.lt_recall_at_100)))
    return table


def _with_interval(estimate: Estimate) -> str:
    low, high = (f"{bound:.3f}".removeprefix("0") for bound in (estimate.low, estimate.high))
    return f"{estimate.mean:.4f} ({low}-{high})"
