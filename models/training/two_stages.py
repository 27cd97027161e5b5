"""Both stages of a recommender: a network, and a second stage fitted on plays that a network has not seen.

    plays before T'  -> network and counts ─┐
    plays since T'   -> anchors and targets ┴─> weights of the second stage ─┐
    all plays        -> network and counts ──────────────────────────────────┴─> what serves

If there is a champion, it is the network of earlier plays, and T' is the end of its plays.

Networks and counts learn from every play, in bounded memory (`models.training.play_counts`). The weights of the second
stage are few and say what to expect of coming plays, so their anchors, and what the listeners played before, are taken
from the newest plays; listeners without any of those are new to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from models.config import RerankerConfig, RerankerTraining
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.split import Plays, Split, split_once
from models.release import Release
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker
from models.training.context import DEFAULT_CONTEXT, FitContext
from models.training.loop import ReportProgress, Stage
from models.training.reranker_fitting import add_second_stage, fit_second_stage
from models.training.shards import EarlierShards, Shards, newest_plays, occurring_tracks
from models.wording import plural

NEWEST_PLAYS: Final = 2_000_000
_MIN_ANCHORS: Final = 1000  # weights that were fitted on fewer are no better than an earlier fit's

FitNetwork: TypeAlias = Callable[[Shards, Catalogue, Stage], Network]


@dataclass(frozen=True, slots=True)
class SecondStagePlan:
    """How a second stage is fitted.

    Attributes:
        config: its sizes.
        training: how its weights are fitted.
        num_newest: how many of the newest plays the weights are fitted on; they are in memory at once.
        max_unseen_share: the largest share of those plays to withhold from the counts while the second stage is fitted
            after a champion. An old champion has seen almost none of them, and empty counts teach nothing.
    """

    config: RerankerConfig
    training: RerankerTraining
    num_newest: int = NEWEST_PLAYS
    max_unseen_share: float = 0.5


@dataclass(frozen=True, slots=True)
class PipelineFit:
    """The result of a fit of both stages.

    Attributes:
        recommender: the network of all plays, followed on the first rank by a second stage.
        kept_because: why the second stage has the champion's weights, or is absent like the champion's; empty if it
            was fitted, or if none was requested.
    """

    recommender: Recommender
    kept_because: str = ""


def fit_pipeline(
    shards: Shards,
    catalogue: Catalogue,
    fit_network: FitNetwork,
    second: SecondStagePlan | None,
    *,
    champion: Release | None = None,
    counted: Callable[[], Shards] | None = None,
    context: FitContext = DEFAULT_CONTEXT,
) -> PipelineFit:
    """Fit a network of all plays, and a second stage after it on plays that an earlier network has not seen.

    The networks are fitted first: each resumes from a checkpoint, so that a kill costs no more than the second stage.

    Args:
        shards: the plays, all of them for training.
        catalogue: the tracks to learn.
        fit_network: fits a network on some plays of some tracks; called for the earlier plays too if there is no
            champion.
        second: how the second stage is fitted; None: the network serves alone.
        champion: serves as the network of earlier plays; its second stage's weights stay if too few plays are newer.
        counted: reads more plays of the tracks for the counts of the second stage, none later than those of the
            shards; called when the networks are fitted. None: the shards are counted.
        context: of the second stage, which only the first rank fits.

    Raises:
        ValueError: there are too few plays.
    """
    if second is None:
        return PipelineFit(Recommender(fit_network(shards, catalogue, "network"), catalogue))
    earlier = _fit_earlier(shards, catalogue, fit_network, second) if champion is None else champion.recommender
    alone = Recommender(fit_network(shards, catalogue, "network"), catalogue)
    if context.ranks.rank:
        return PipelineFit(alone)
    all_plays = shards if counted is None else counted()
    plays = newest_plays(shards, catalogue, second.num_newest)  # a second time: the fits needed the memory
    fitted, kept_because = _fit_second_stage(earlier, champion, all_plays, plays, second, progress=context.progress)
    del plays
    if fitted is None:
        return PipelineFit(alone, kept_because)
    return PipelineFit(add_second_stage(alone, all_plays, fitted, context.progress), kept_because)


def _fit_earlier(shards: Shards, catalogue: Catalogue, fit_network: FitNetwork, second: SecondStagePlan) -> Recommender:
    """Fit a network of the plays before the newest eighth of the newest ones."""
    before = EarlierShards(shards, split_once(newest_plays(shards, catalogue, second.num_newest)).t1_ms)
    known_before = occurring_tracks(before, catalogue)
    return Recommender(fit_network(before, known_before, "network of earlier plays"), known_before)


def _fit_second_stage(
    earlier: Recommender,
    champion: Release | None,
    shards: Shards,
    plays: Plays,
    second: SecondStagePlan,
    *,
    progress: ReportProgress,
) -> tuple[Reranker | None, str]:
    """Fit a second stage, or return the champion's and the reason why it was kept."""

    def fit(unseen: Split) -> Reranker:
        before = EarlierShards(shards, unseen.t1_ms)
        return fit_second_stage(earlier, before, unseen, second.config, second.training, progress=progress)

    if champion is None:
        return fit(split_once(plays)), ""
    newer_from_ms = int(np.quantile(plays.played_at_ms, 1 - second.max_unseen_share))
    try:
        unseen = split_once(plays, t1_ms=max(champion.seen_until_ms + 1, newer_from_ms))
        num_anchors = len(unseen.anchors("validation"))
        if num_anchors < _MIN_ANCHORS:
            too_few = (
                f"{plural(num_anchors, 'play')} since the champion's can be learned from, fewer than {_MIN_ANCHORS}"
            )
            return champion.recommender.reranker, too_few
        return fit(unseen), ""
    except ValueError as exc:
        return champion.recommender.reranker, str(exc)
