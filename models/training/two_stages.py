"""Both stages of a recipe, on plays of which one shard at a time is in memory.

    plays before T'  -> network and counts ─┐
    plays since T'   -> anchors and targets ┴─> weights of the second stage ─┐
    all plays        -> network and counts ──────────────────────────────────┴─> what serves

Networks learn from every play. Counts and the second stage know the newest COUNTED_PLAYS alone, whoever played before
them counting as unheard; T' leaves an eighth of those behind it. A release holds 76 bytes of every two tracks that were
played one after the other, so counts of all plays would outgrow workers before they outgrew the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from models.config import RerankerConfig, RerankerTraining
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.split import split_once
from models.release import Release
from models.serving.recommender import Recommender
from models.training.context import FitContext
from models.training.loop import Stage
from models.training.reranker_fitting import add_second_stage, fit_second_stage, fit_since
from models.training.shards import EarlierShards, Shards, newest_plays, occurring_tracks

COUNTED_PLAYS: Final = 2_000_000

FitNetwork: TypeAlias = Callable[[Shards, Catalogue, Stage], Network]


@dataclass(frozen=True, slots=True)
class SecondFit:
    """How the second stage is fitted, and by whom.

    Attributes:
        config: sizes.
        training: how.
        context: its first rank alone fits it, and has it in the end; the others finish with the networks.
    """

    config: RerankerConfig
    training: RerankerTraining
    context: FitContext


def fit_both(shards: Shards, catalogue: Catalogue, fit_network: FitNetwork, second: SecondFit) -> Recommender:
    """Fit a network of the plays before T', one of all plays, and a second stage for it.

    The networks come first: each goes on from a checkpoint, so that a kill costs no more than the second stage.

    Raises:
        ValueError: there are too few plays.
    """
    before = EarlierShards(shards, split_once(newest_plays(shards, catalogue, COUNTED_PLAYS)).t1_ms)
    known_before = occurring_tracks(before, catalogue)
    earlier = Recommender(fit_network(before, known_before, "network of earlier plays"), known_before)
    alone = Recommender(fit_network(shards, catalogue, "network"), catalogue)
    if second.context.ranks.rank:
        return alone
    newest = split_once(newest_plays(shards, catalogue, COUNTED_PLAYS))  # anew: the fits had better use for the memory
    fitted = fit_second_stage(earlier, newest, second.config, second.training, second.context.progress)
    return add_second_stage(alone, newest.served, fitted)


def fit_both_from(
    start: Release, shards: Shards, catalogue: Catalogue, fit_network: FitNetwork, second: SecondFit
) -> Recommender:
    """Train a release's network on, and fit a second stage on the plays since the release's, which it has not seen.

    Those of an old release may be nearly all; the newer half does, so that counts of the others stand beside it. Where
    too few plays are new, the weights of the release's second stage do; where it has none, there is none.
    """
    alone = Recommender(fit_network(shards, catalogue, "network"), catalogue)
    if second.context.ranks.rank:
        return alone
    plays = newest_plays(shards, catalogue, COUNTED_PLAYS)
    try:
        unseen = split_once(plays, t1_ms=max(start.data_window.until_ms + 1, int(np.median(plays.played_at_ms))))
        fitted = fit_since(start.recommender, unseen, second.config, second.training, second.context.progress)
    except ValueError:
        if start.recommender.reranker is None:
            return alone
        fitted = start.recommender.reranker
    return add_second_stage(alone, split_once(plays).served, fitted)
