"""The figures: one object per system, as written to JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from models.analysis.breakdown import break_down
from models.evaluation.metrics import LONG_TERM_STRIDE, Estimate
from models.evaluation.protocol import Group, compare, evaluate
from models.plays.split import Lists, Split
from streamer.report.runs import SystemRun
from streamer.report.systems import SYSTEMS

#: The names of the metrics in JSON.
NAMES: Final = {
    "HR@20": "hr_at_20",
    "MRR@20": "mrr_at_20",
    "nDCG@10": "ndcg_at_10",
    "recall@100": "lt_recall_at_100",
    "precision@20": "lt_precision_at_20",
    "nDCG@100": "lt_ndcg_at_100",
}

_DIGITS: Final = 5

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """Which test anchors are asked.

    Attributes:
        every: every nth anchor is asked for its next play, and a third of those for the weeks to come.
    """

    every: int = 1

    @property
    def strides(self) -> dict[str, int]:
        """The arguments of `models.evaluation.protocol`."""
        return {"short_term_stride": self.every, "long_term_stride": self.every * LONG_TERM_STRIDE}


def describe(
    name: str, runs: Mapping[int, SystemRun], split: Split, asking: Asking, *, others: Mapping[str, Sequence[Lists]]
) -> Figures:
    """Evaluate a system.

    Args:
        name: of the system.
        runs: its runs, by seed.
        split: the plays.
        asking: which anchors are asked.
        others: the lists of the systems it is compared with, by name.
    """
    lists = [run.lists for run in runs.values()]
    report = evaluate(split, "test", lists, **asking.strides)
    whole = _flat([report.groups.get("short-term/all"), report.groups.get("long-term/all")])
    is_seeded = SYSTEMS[name].max_seeds > 0
    return {
        "title": SYSTEMS[name].title,
        "about": SYSTEMS[name].about,
        **{metric: each["mean"] for metric, each in whole.items()},
        "coverage_at_20": round(report.coverage, _DIGITS),
        "intervals": {metric: [each["low"], each["high"]] for metric, each in whole.items()},
        "groups": _groups(report.groups),
        "seeds": list(runs) if is_seeded else [],
        "of_seeds": {str(seed): _means(split, run.lists, asking) for seed, run in runs.items()} if is_seeded else {},
        "ahead_of": {other: _ahead(split, lists, theirs, asking) for other, theirs in others.items()},
        "broken_down": {
            by: [{**asdict(each), "hit_rate": _rounded(each.hit_rate)} for each in bins]
            for by, bins in break_down(split, "test", lists, short_term_stride=asking.every).items()
        },
        "losses": [[round(loss, 4) for loss in run.losses] for run in runs.values() if run.losses],
        "plays_per_s": _mean_speed(runs),
        "settings": next(iter(runs.values())).settings,
        "splits": describe_split(split, asking),
    }


def describe_split(split: Split, asking: Asking) -> Figures:
    """Describe what the systems learned from and were asked."""
    played_at_ms = split.histories.played_at_ms
    anchors = split.anchors("test")[:: asking.every]
    warm_test = int((played_at_ms >= split.t2_ms).sum())
    all_test = int((split.served.played_at_ms >= split.t2_ms).sum())
    return {
        "t1_ms": split.t1_ms,
        "t2_ms": split.t2_ms,
        "num_plays": len(split.rows),
        "num_listeners": split.histories.num_listeners,
        "num_tracks": len(split.catalogue),
        "num_training_plays": int((played_at_ms < split.t1_ms).sum()),
        "cold_test_share": round(1 - warm_test / max(all_test, 1), _DIGITS),
        "short_term_every": asking.every,
        "long_term_every": asking.strides["long_term_stride"],
        "short_term_anchors": len(anchors),
        "test_listeners": len(np.unique(split.histories.listeners()[anchors])),
    }


def _means(split: Split, lists: Lists, asking: Asking) -> Figures:
    """Return the means of one seed."""
    report = evaluate(split, "test", lists, **asking.strides)
    whole = _flat([report.groups.get("short-term/all"), report.groups.get("long-term/all")])
    return {metric: each["mean"] for metric, each in whole.items()} | {
        "coverage_at_20": round(report.coverage, _DIGITS)
    }


def _ahead(split: Split, lists: Sequence[Lists], others: Sequence[Lists], asking: Asking) -> Figures:
    differences = compare(split, "test", lists, others, **asking.strides)
    return {NAMES[metric]: _rounded(estimate) for metric, estimate in differences.items()}


def _groups(groups: Mapping[str, Group]) -> Figures:
    """Combine both horizons of each group except "all"."""
    names = dict.fromkeys(name.split("/")[1] for name in groups)
    return {
        name.replace("-", "_"): {
            **_flat([groups.get(f"short-term/{name}"), groups.get(f"long-term/{name}")]),
            "num_anchors": {
                horizon: groups[f"{horizon}/{name}"].num_anchors
                for horizon in ("short-term", "long-term")
                if f"{horizon}/{name}" in groups
            },
        }
        for name in names
        if name != "all"
    }


def _flat(groups: Sequence[Group | None]) -> dict[str, dict[str, float]]:
    """Return the metrics of groups by their names in JSON."""
    return {
        NAMES[metric]: _rounded(estimate)
        for group in groups
        if group is not None
        for metric, estimate in group.metrics.items()
    }


def _rounded(estimate: Estimate) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in asdict(estimate).items()}


def _mean_speed(runs: Mapping[int, SystemRun]) -> float | None:
    speeds = [run.plays_per_s for run in runs.values() if run.plays_per_s is not None]
    return round(float(np.mean(speeds)), 1) if speeds else None
