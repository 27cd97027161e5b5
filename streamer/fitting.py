"""From a window of archived plays to weights that may be released, or the reason why they may not.

The newest plays are held out: weights are fitted on what came before and judged on them, beside popularity and the
champion. Everything here computes and blocks; the trainer calls it in a thread.
"""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import fsspec
import numpy as np

from models.baselines import BASELINES
from models.config import TrainingConfig
from models.evaluation import Report, evaluate, rank_anchors_as_served
from models.recommender import Recommender
from models.release import DataWindow, InvalidRelease, Json, SavedRelease, load_release, save_release
from models.split import Plays, Split, split_plays
from models.training import fit
from streamer.archived_plays import ArchivedPlays
from streamer.events import ReleaseNotice
from streamer.fit_progress import Report as ReportProgress

logger = logging.getLogger(__name__)

HELD_OUT_SHARE: Final = 0.1
MAX_HELD_OUT_PLAYS: Final = 50_000  # tell HR@20 apart to half a percent; ranking for more takes minutes on a CPU


class NothingToLearnError(Exception):
    """Raised when a window holds too little to fit weights on, or to judge them by."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights, fitted and judged.

    Attributes:
        recommender: the weights over their tracks.
        metrics: of the weights, popularity and the champion, on the same plays; as the release keeps them.
        data_window: what the weights were fitted on.
        refusal: why they may not be released; empty if they may.
    """

    recommender: Recommender
    metrics: Mapping[str, Json]
    data_window: DataWindow
    refusal: str


def fit_candidate(
    plays: ArchivedPlays,
    champion: ReleaseNotice | None,
    *,
    training: TrainingConfig,
    device: str,
    progress: ReportProgress,
) -> Candidate:
    """Fit on all but the newest plays, judge on the newest.

    Args:
        plays: the window.
        champion: is judged on the same plays; None if there is none.
        training: how weights are fitted.
        device: where.
        progress: called after every batch of the fit.

    Raises:
        NothingToLearnError: the window holds too little.
    """
    split = split_window(plays)
    histories, sessions = split.training_histories()
    network = fit(histories, split.catalogue, training, sessions=sessions, device=device, progress=progress)
    recommender = Recommender(network, split.catalogue)
    reports = {
        "candidate": _judge(split, recommender),
        "popularity": evaluate(split, "test", BASELINES["popularity"].fit(split).rank(split, "test")),
        **_judge_champion(split, champion, device),
    }
    for name, report in reports.items():
        logger.info("held-out plays answered by=%s HR@20=%.4f coverage=%.3f", name, _hit_rate(report), report.coverage)
    return Candidate(
        recommender=recommender,
        metrics={
            "held_out_from_ms": split.t2_ms,
            **{name: dataclasses.asdict(report) for name, report in reports.items()},
        },
        data_window=DataWindow(
            from_ms=int(histories.played_at_ms.min()),
            until_ms=int(histories.played_at_ms.max()),
            num_plays=histories.num_plays,
            num_listeners=histories.num_listeners,
        ),
        refusal=_refusal(_hit_rate(reports["candidate"]), _hit_rate(reports["popularity"])),
    )


def split_window(plays: ArchivedPlays) -> Split:
    """Hold out the newest plays, by their time.

    Raises:
        NothingToLearnError: what is left, or what is held out, holds no play that follows another.
    """
    num_held_out = min(int(len(plays) * HELD_OUT_SHARE), MAX_HELD_OUT_PLAYS)
    if not num_held_out:
        raise NothingToLearnError(f"{len(plays)} plays are too few to hold some out; wait for more")
    cut_ms = int(np.sort(plays.played_at_ms)[-num_held_out])
    if not (plays.played_at_ms < cut_ms).any():
        raise NothingToLearnError(f"all plays but the newest have the time {cut_ms} ms; wait for later ones")
    columns = Plays(plays.users, plays.tracks, plays.track_ids, plays.played_at_ms, plays.contexts)
    split = split_plays(columns, t1_ms=cut_ms, t2_ms=cut_ms)
    if np.diff(split.training_histories()[0].bounds).max() < 2:
        raise NothingToLearnError("no listener has two plays to learn from; wait for more")
    if not len(split.anchors("test")):
        raise NothingToLearnError("no listener played a known track among the newest plays; wait for more")
    return split


def save_candidate(
    candidate: Candidate, releases_url: str, training: TrainingConfig, created_at_ms: int
) -> SavedRelease:
    """Save a candidate as a release, under an address that holds wherever the reader stands.

    Raises:
        OSError: the place cannot be written.
    """
    files, directory = fsspec.core.url_to_fs(releases_url)
    return save_release(
        files.unstrip_protocol(directory),
        candidate.recommender,
        training=training,
        metrics=candidate.metrics,
        data_window=candidate.data_window,
        created_at_ms=created_at_ms,
    )


def _judge(split: Split, recommender: Recommender) -> Report:
    return evaluate(split, "test", rank_anchors_as_served(recommender, split, "test"))


def _judge_champion(split: Split, champion: ReleaseNotice | None, device: str) -> dict[str, Report]:
    """Judge the champion under its id; nothing where there is none, or none that can be loaded."""
    if champion is None:
        return {}
    try:
        release = load_release(champion.location, manifest_sha256=champion.manifest_sha256, device=device)
    except (InvalidRelease, OSError) as exc:
        logger.warning("champion not judged release=%s: %s", champion.release_id, exc)
        return {}
    return {release.release_id: _judge(split, release.recommender)}


def _hit_rate(report: Report) -> float:
    return report.groups["short-term/all"].metrics["HR@20"].mean


def _refusal(candidate: float, popularity: float) -> str:
    if candidate > popularity:
        return ""
    return (
        f"HR@20 {candidate:.4f} on the newest plays does not beat popularity's {popularity:.4f}; "
        "gather more plays, or train for more epochs"
    )
