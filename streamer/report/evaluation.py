"""Evaluating a release on recorded plays, beside baselines and without Kafka."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from models.evaluation.baselines import BASELINES
from models.evaluation.metrics import Estimate
from models.evaluation.protocol import Report, evaluate, rank_anchors, rank_anchors_as_served
from models.plays.split import Lists, Part, Split, split_plays
from models.serving.recommender import Recommender
from models.training.track_lists import with_index
from models.wording import plural
from streamer.errors import RefrainError
from streamer.recordings.plays import RecordedPlays
from streamer.releases.loading import read_release
from streamer.runtime.progress import watch

PART: Part = "test"

#: What finds tracks by their vectors on a CPU: what the release has, every track scored, or an index, however few.
FIRST_STAGES: Final[Mapping[str, Callable[[Recommender], Recommender]]] = {
    "released": lambda recommender: recommender,
    "exact": lambda recommender: replace(recommender, index=None),
    "index": with_index,
}


class EvaluationError(RefrainError):
    """Raised when there are too few plays to evaluate on, or a baseline is unknown."""


def evaluate_release(
    read_plays: Callable[[], RecordedPlays],
    location: str,
    device_name: str,
    baselines: Sequence[str],
    first_stage: str = "released",
) -> dict[str, Report]:
    """Score a release offline, and the baselines it must beat.

    Args:
        read_plays: reads the plays, which may take minutes, so only once the rest is right; their test part is asked.
        location: of the release.
        device_name: auto, cpu or cuda.
        baselines: names of `models.evaluation.baselines.BASELINES`.
        first_stage: name of FIRST_STAGES.

    Returns:
        A report per recommender: "by protocol" without cold plays, "as served" with them, then the baselines.

    Raises:
        EvaluationError: there are too few plays, or a baseline is unknown.
        ReleaseError: the release cannot be read.
    """
    if unknown := [name for name in baselines if name not in BASELINES]:
        raise EvaluationError(f"unknown baseline {', '.join(unknown)}; the baselines are {', '.join(BASELINES)}")
    recommender = FIRST_STAGES[first_stage](read_release(location, device_name).recommender)
    recorded = read_plays()
    try:
        split = split_plays(recorded.plays)
    except ValueError as exc:
        raise EvaluationError(
            f"{plural(len(recorded.plays.tracks), 'play')} cannot be split by time ({exc}); use more plays"
        ) from exc
    rankings: dict[str, Callable[[], Lists]] = {
        "by protocol": lambda: rank_anchors(recommender, split, PART),
        "as served": lambda: rank_anchors_as_served(recommender, split, PART),
        **{name: functools.partial(_rank_baseline, name, split) for name in baselines},
    }
    return {name: evaluate(split, PART, rankings[name]()) for name in watch(rankings)}


def _rank_baseline(name: str, split: Split) -> Lists:
    return BASELINES[name].fit(split).rank(split, PART)


def to_json(reports: Mapping[str, Report]) -> str:
    """Write the reports as one object, every group with its intervals."""
    return msgspec.json.encode({name: report.to_dict() for name, report in reports.items()}).decode()


def draw_reports(reports: Mapping[str, Report]) -> Iterator[Table]:
    """Draw a table per group of anchors, with a row per recommender; 100 columns are enough."""
    groups = dict.fromkeys(group for report in reports.values() for group in report.groups)
    for group in groups:
        first = next(report.groups[group] for report in reports.values() if group in report.groups)
        table = Table("", title=f"{group}, {plural(first.num_anchors, 'question')}", box=SIMPLE_HEAD, pad_edge=False)
        for metric in first.metrics:
            table.add_column(metric, justify="right", no_wrap=True)
        for name, report in reports.items():
            table.add_row(name, *map(_with_interval, report.groups[group].metrics.values()))
        yield table
    coverage = Table("", "coverage@20", title="share of the catalogue in any list", box=SIMPLE_HEAD, pad_edge=False)
    for name, report in reports.items():
        coverage.add_row(name, f"{report.coverage:.4f}")
    yield coverage


def _with_interval(estimate: Estimate) -> str:
    low, high = (f"{bound:.3f}".removeprefix("0") for bound in (estimate.low, estimate.high))
    return f"{estimate.mean:.4f} ({low}-{high})"
