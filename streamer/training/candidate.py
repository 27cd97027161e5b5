"""From a window of archived plays to weights and a verdict on them.

The newest plays are held out. Weights are fitted on the plays before them, starting from the champion's if there is
one, and a second stage on plays that the champion has not seen; both are judged on the newest. Everything here computes
and blocks; the trainer calls it in a thread.
"""

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.config import NetworkConfig, RerankerConfig, RerankerTraining, TrainingConfig
from models.evaluation.gate import MAX_SUSPICIOUS_SHARE, Verdict, refuse_bots
from models.networks.network import Network
from models.plays.bots import find_bots
from models.plays.catalogue import Catalogue
from models.plays.split import Split, split_plays
from models.release import Release, SavedRelease
from models.release_files import DataWindow, InvalidRelease, Json
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training.context import FitContext
from models.training.fit import fit_shards, occurring_contexts
from models.training.loop import ReportProgress, Stage
from models.training.shards import Shard, Shards, training_shard
from models.training.track_lists import index_if_above
from models.training.two_stages import SecondStagePlan, fit_pipeline
from models.wording import plural
from streamer.archive.plays import ArchivedPlays
from streamer.releases.loading import NoticeError, load_notice, save_under
from streamer.releases.store import Store
from streamer.training.checkpoints import CheckpointError, CheckpointFile
from streamer.training.comparison import Terms, columns, judge_candidate
from streamer.training.mapping import map_if_possible
from streamer.wire.messages import ReleaseNotice

logger = logging.getLogger(__name__)

HELD_OUT_SHARE: Final = 0.1
MAX_HELD_OUT_PLAYS: Final = 50_000  # resolve HR@20 to half a percent; ranking for more takes minutes on a CPU


class NothingToLearnError(Exception):
    """Raised when a window holds too few plays to fit weights on, or to judge them by."""


class BotTrafficError(Exception):
    """Raised when so many of the new plays look scripted that no fit should learn from them.

    Attributes:
        verdict: the refusal.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights, fitted and judged.

    Attributes:
        recommender: the weights and their tracks.
        metrics: the measurements, as the release keeps them.
        data_window: the plays that the weights were fitted on.
        training: how they were fitted.
        verdict: of the gate.
        track_map: of the recommender's tracks; None if none could be made, or nothing is released.
    """

    recommender: Recommender
    metrics: Mapping[str, Json]
    data_window: DataWindow
    training: TrainingConfig
    verdict: Verdict
    track_map: TrackMap | None = None


def _nothing() -> None:
    """Do nothing: most callers have no metrics."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How weights are fitted.

    Attributes:
        training: passes, rates; a fit that starts from an earlier release needs a third of the passes.
        start: an earlier release to start from; None: start afresh.
        checkpoint: where an interrupted fit resumes from.
        device: where to fit.
        index_above: number of tracks above which there is an index.
        progress: called after every batch of both stages.
        begin_judging: called once, between fit and judgement.
        read_before: reads all archived plays before a time, for the counts of the second stage; None: the window has
            them all.
    """

    training: TrainingConfig
    start: Release | None
    checkpoint: CheckpointFile
    device: str
    index_above: int
    progress: ReportProgress
    begin_judging: Callable[[], None] = _nothing
    read_before: Callable[[int], Shards] | None = None

    def for_plays(self, shard: Shard) -> "Plan":
        """Start afresh if these plays need another network; from an earlier release, take a third of the passes."""
        if self.start is None or not _can_start_from(self.start, shard):
            return dataclasses.replace(self, start=None)
        return dataclasses.replace(self, training=self.training.refreshed())


def leave_out_scripts(plays: ArchivedPlays, num_new: int) -> tuple[ArchivedPlays, str]:
    """Leave out the stretches of a window that look scripted.

    Args:
        plays: the window.
        num_new: how many of them are new to every fit.

    Returns:
        The trusted plays, and a sentence on the others; empty if there are none.

    Raises:
        BotTrafficError: too many of the new plays cannot be trusted.
    """
    traffic = find_bots(plays.users, plays.tracks, max(0, len(plays) - num_new))
    if traffic.suspicious_share > MAX_SUSPICIOUS_SHARE:
        raise BotTrafficError(refuse_bots(min(num_new, len(plays)), traffic.suspicious_share, traffic.suspicions()))
    trusted = np.flatnonzero(traffic.is_trusted)
    if len(trusted) == len(plays):
        return plays, ""
    share = f"{len(plays) - len(trusted):,} of the {len(plays):,} plays in the window"
    return plays.take(trusted), f"Left out {share}: they look scripted, or are next to plays that do."


def load_champion(notice: ReleaseNotice | None, store: Store, device: str) -> Release | None:
    """Load the release that the alias names; None if there is none, or if it is broken, as it then is for workers too.

    Raises:
        StoreError: the store fails; releasing without a comparison would be publishing blindly.
    """
    if notice is None:
        return None
    try:
        return load_notice(notice, store, device)
    except (InvalidRelease, NoticeError) as exc:
        logger.warning("champion is broken; judging without it release=%s: %s", notice.release_id, exc)
        return None


def fit_candidate(plays: ArchivedPlays, plan: Plan, champion: Release | None, terms: Terms) -> Candidate:
    """Fit on all but the newest plays, judge on the newest.

    Args:
        plays: the window, without scripted plays.
        plan: of the fit.
        champion: the current release; None if there is none to compare with.
        terms: of the judgement.

    Raises:
        NothingToLearnError: the window holds too few plays.
    """
    split = split_window(plays)
    shard = training_shard(split)
    plan = plan.for_plays(shard)
    recommender = _fit(shard, split, champion, plan)
    plan.begin_judging()
    logger.info("fit done, judging plays=%d", int((plays.played_at_ms >= split.t2_ms).sum()))
    judgement = judge_candidate(plays, split, recommender, champion, terms)
    is_released = judgement.verdict.may_be_released
    return Candidate(
        recommender=recommender,
        metrics=judgement.metrics | {"began_from": None if plan.start is None else plan.start.release_id},
        data_window=DataWindow.of(shard.histories),
        training=plan.training,
        verdict=judgement.verdict,
        track_map=map_if_possible(recommender, [shard], champion, plan.progress) if is_released else None,
    )


def _fit(shard: Shard, split: Split, champion: Release | None, plan: Plan) -> Recommender:
    """Fit a network, and a second stage on the plays since the champion's, which the champion has not seen.

    A first release has no second stage: fitting another network for it would double the wait.
    """
    second = None
    if champion is not None:
        training, num_plays = RerankerTraining(seed=plan.training.seed), shard.histories.num_plays
        second = SecondStagePlan(RerankerConfig(), training, num_newest=num_plays, max_unseen_share=1.0)
    context = FitContext(plan.device, plan.progress, plan.checkpoint)

    def fit_network(shards: Shards, catalogue: Catalogue, stage: Stage) -> Network:
        return _fit_network(shards, catalogue, plan, context.of_stage(stage))

    counted = None if plan.read_before is None else functools.partial(plan.read_before, split.t1_ms)
    fitted = fit_pipeline(
        [shard], split.catalogue, fit_network, second, champion=champion, counted=counted, context=context
    )
    if fitted.kept_because:
        logger.info("second stage not fitted: %s", fitted.kept_because)
    return index_if_above(plan.index_above, fitted.recommender)


def _can_start_from(earlier: Release, shard: Shard) -> bool:
    """Check whether an earlier network is of the kind that is fitted here, and has an input for each context."""
    config = earlier.network.config
    is_of_this_kind = dataclasses.replace(config, contexts=()) == NetworkConfig(contexts=())
    return is_of_this_kind and set(occurring_contexts([shard])) <= set(config.contexts)


def _fit_network(shards: Shards, catalogue: Catalogue, plan: Plan, context: FitContext) -> Network:
    """Fit a network; resume from the checkpoint if it belongs to this fit, else start over."""
    fit = functools.partial(
        fit_shards,
        shards,
        catalogue,
        plan.training,
        start=None if plan.start is None else plan.start.recommender,
        context=context,
    )
    try:
        return fit()
    except CheckpointError as exc:
        logger.info("fit starts over: %s", exc)
        plan.checkpoint.remove()
        return fit()


def split_window(plays: ArchivedPlays) -> Split:
    """Hold out the newest plays, by their time.

    Raises:
        NothingToLearnError: among the held-out plays, or among the rest, no play follows another.
    """
    num_held_out = min(int(len(plays) * HELD_OUT_SHARE), MAX_HELD_OUT_PLAYS)
    if not num_held_out:
        raise NothingToLearnError(
            f"{plural(len(plays), 'play is', 'plays are')} too few to hold some out; wait for more"
        )
    cut_ms = int(np.sort(plays.played_at_ms)[-num_held_out])
    if not (plays.played_at_ms < cut_ms).any():
        raise NothingToLearnError(f"all plays but the newest have the time {cut_ms} ms; wait for later ones")
    split = split_plays(columns(plays), t1_ms=cut_ms, t2_ms=cut_ms)
    if np.diff(split.training_histories()[0].bounds).max() < 2:
        raise NothingToLearnError("no listener has two plays to learn from; wait for more")
    if not len(split.anchors("test")):
        raise NothingToLearnError("no listener played a known track among the newest plays; wait for more")
    return split


def save_candidate(candidate: Candidate, store: Store, clock: Callable[[], float] = time.time) -> SavedRelease:
    """Save a candidate as a release created now.

    Raises:
        StoreError: the store fails.
    """
    return save_under(
        store,
        candidate.recommender,
        training=candidate.training,
        metrics=candidate.metrics,
        data_window=candidate.data_window,
        track_map=candidate.track_map,
        clock=clock,
    )
