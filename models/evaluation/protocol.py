"""Evaluation: full-catalogue metrics by horizon, with repeat and discovery measured separately.

The protocol, without which a figure means nothing:

    Stream      plays sorted by listener, time, place in the file.
    Parts       T1 and T2 are the times of the plays at 80 % and 90 % of all plays in time order;
                train < T1 <= validation < T2 <= test.
    Catalogue   tracks with a play before T1. Cold plays, those of other tracks, are neither targets nor truths.
    Anchor      a warm play that has a next one; it belongs to the part of that next play. Nothing is left out of lists.
    Short-term  target: the next play. HR@20, MRR@20, nDCG@10; coverage@20: share of the catalogue in any list.
    Long-term   truth: with 50 or more later plays (before T2, for validation), the distinct tracks 25..100 plays ahead
                ("far"), else those of the later plays within 30 days ("near"); fewer than 5: the anchor is left out.
                recall@100 = hits / |truth|, precision@20, nDCG@100 (ideal: min(|truth|, 100) hits).
    Repeat      the listener played the track up to the anchor; else discovery. Long-term, both restrict the truth.
    Mean        over anchors. Intervals: 95 % percentile bootstrap over listeners, 300 resamples.

Lists are made in two ways. By the protocol, cold plays are dropped before anything else. As served, they stay in the
histories as unknown tracks and use up places of the ring. The anchors, targets and truths are the same; the list is
the one a stream gave after the play just before the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.evaluation.metrics import LONG_TERM_STRIDE, Estimate, estimate, long_term_metrics, short_term_metrics
from models.plays.catalogue import FIRST_TRACK
from models.plays.histories import Histories
from models.plays.split import Lists, LongTermTruths, Part, Split, long_term_truths
from models.serving.offline import answer
from models.serving.recommender import Recommender


@dataclass(frozen=True, slots=True)
class Group:
    """The metrics of some anchors."""

    num_anchors: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `evaluate`.

    Attributes:
        part: the part that was evaluated.
        groups: "short-term/all", "/repeat", "/discovery", "/in-session", "/session-start"; "long-term/all", "/repeat",
            "/discovery", "/far", "/near"; a group without anchors is missing.
        coverage: share of the catalogue that is in at least one short-term list.
    """

    part: Part
    groups: Mapping[str, Group]
    coverage: float

    def to_dict(self) -> dict[str, Any]:
        """Convert the figures to JSON-compatible types, for a release's metrics."""
        return asdict(self)


def rank_anchors(recommender: Recommender, split: Split, part: Part) -> Lists:
    """Answer at every anchor of a part by the protocol: the histories hold no cold play."""
    return _rank(recommender, split, split.histories, split.anchors(part))


def rank_anchors_as_served(recommender: Recommender, split: Split, part: Part) -> Lists:
    """Answer at every anchor of a part as a stream would: after the play before the target, cold plays included."""
    return _rank(recommender, split, split.served, split.served_anchors(part))


def rank_anchors_rebuilt(recommender: Recommender, split: Split, part: Part) -> Lists:
    """Answer at every anchor of a part as right after a change of weights: from a state of the ring's plays alone."""
    rings = split.histories.remembered(split.anchors(part))
    return _rank(recommender, split, rings, rings.bounds[1:] - 1)


def evaluate(
    split: Split,
    part: Part,
    lists: Lists | Sequence[Lists],
    *,
    short_term_stride: int = 1,
    long_term_stride: int = LONG_TERM_STRIDE,
) -> Report:
    """Compare lists with what the listeners played.

    Args:
        split: the stream.
        part: the part whose anchors the lists answer.
        lists: one of each horizon for every anchor of `split.anchors(part)`; with several seeds, an anchor's metric is
            the mean over them, and so is the coverage.
        short_term_stride: every how many anchors one is asked for its next play.
        long_term_stride: every how many anchors one is asked for its coming weeks; neighbours share nearly all of them.
    """
    anchors, listeners = split.anchors(part), split.histories.listeners()
    short_term_anchors = anchors[::short_term_stride]
    short_term = [each.short_term[::short_term_stride, :SHORT_TERM_SIZE] for each in _several(lists)]
    truths = long_term_truths(split, part, stride=long_term_stride)
    places = np.searchsorted(anchors, truths.anchors)
    long_term = [each.long_term[places, :LONG_TERM_SIZE] for each in _several(lists)]
    groups = _short_term_groups(split, short_term_anchors, short_term, listeners[short_term_anchors])
    groups |= _long_term_groups(truths, long_term, listeners[truths.anchors])
    listed = [(np.unique(rows) >= FIRST_TRACK).sum() for rows in short_term]
    return Report(part, groups, float(np.mean(listed) / len(split.catalogue)))


def compare(
    split: Split,
    part: Part,
    lists: Lists | Sequence[Lists],
    others: Lists | Sequence[Lists],
    *,
    short_term_stride: int = 1,
    long_term_stride: int = LONG_TERM_STRIDE,
) -> dict[str, Estimate]:
    """Estimate how much better `lists` are than `others` at the same anchors, for HR@20, MRR@20 and recall@100.

    The arguments are those of `evaluate`; an anchor's metric is again the mean over seeds, which may differ in number.
    """
    anchors, listeners = split.anchors(part), split.histories.listeners()
    chosen = anchors[::short_term_stride]
    truths = long_term_truths(split, part, stride=long_term_stride)
    places = np.searchsorted(anchors, truths.anchors)
    everything = np.ones(len(truths.rows), np.bool_)
    mine, theirs = (
        (
            _mean(short_term_metrics(split, chosen, each.short_term[::short_term_stride]) for each in _several(side)),
            _mean(long_term_metrics(truths, each.long_term[places], everything) for each in _several(side)),
        )
        for side in (lists, others)
    )
    differences = {name: estimate(mine[0][name] - theirs[0][name], listeners[chosen]) for name in ("HR@20", "MRR@20")}
    if len(places):
        difference = mine[1]["recall@100"] - theirs[1]["recall@100"]
        differences["recall@100"] = estimate(difference, listeners[truths.anchors])
    return differences


def _several(lists: Lists | Sequence[Lists]) -> Sequence[Lists]:
    return [lists] if isinstance(lists, Lists) else lists


def _mean(of_seeds: Iterable[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Average each metric over seeds, anchor by anchor."""
    metrics = list(of_seeds)
    return {name: np.mean([each[name] for each in metrics], axis=0) for name in metrics[0]}


def _rank(recommender: Recommender, split: Split, histories: Histories, anchors: NDArray[np.int64]) -> Lists:
    """Answer in rows of the split's catalogue."""
    lists = answer(recommender, histories, anchors)
    translation = np.concatenate([np.arange(FIRST_TRACK), split.catalogue.rows(recommender.catalogue.keys)])
    return Lists(translation[lists.short_term], translation[lists.long_term])


def _short_term_groups(
    split: Split, anchors: NDArray[np.int64], of_seeds: Sequence[NDArray[np.int64]], listeners: NDArray[np.int64]
) -> dict[str, Group]:
    metrics = _mean(short_term_metrics(split, anchors, rows) for rows in of_seeds)
    repeats, starts = split.repeats[anchors + 1], split.session_starts[anchors + 1]
    return {
        f"short-term/{name}": _group(metrics, listeners, chosen)
        for name, chosen in {
            "all": np.ones(len(anchors), np.bool_),
            "repeat": repeats,
            "discovery": ~repeats,
            "in-session": ~starts,
            "session-start": starts,
        }.items()
        if chosen.any()
    }


def _long_term_groups(
    truths: LongTermTruths, of_seeds: Sequence[NDArray[np.int64]], listeners: NDArray[np.int64]
) -> dict[str, Group]:
    groups = {}
    of_truth = {"all": np.ones(len(truths.rows), np.bool_), "repeat": truths.repeats, "discovery": ~truths.repeats}
    for name, chosen in of_truth.items():
        metrics = _mean(long_term_metrics(truths, rows, chosen) for rows in of_seeds)
        has_truth = ~np.isnan(metrics["recall@100"])
        if has_truth.any():
            groups[f"long-term/{name}"] = _group(metrics, listeners, has_truth)
    metrics = _mean(long_term_metrics(truths, rows, of_truth["all"]) for rows in of_seeds)
    for name, chosen in {"far": truths.far, "near": ~truths.far}.items():
        if chosen.any():
            groups[f"long-term/{name}"] = _group(metrics, listeners, chosen)
    return groups


def _group(
    metrics: Mapping[str, NDArray[np.float64]], listeners: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> Group:
    estimates = {name: estimate(values[chosen], listeners[chosen]) for name, values in metrics.items()}
    return Group(int(chosen.sum()), estimates)
