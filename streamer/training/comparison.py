"""From fitted weights to a verdict: the candidate, the champion and the baselines answer the same plays.

The release records every measurement: the protocol's figures of all of them on the held-out plays, the gate's evidence,
and its paragraph. Everything here computes and blocks.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.baselines import BASELINES
from models.evaluation.gate import POPULARITY, BaselineLead, ChampionLead, Evidence, Judged, Verdict, judge
from models.evaluation.live import live_hit_rate, live_hits
from models.evaluation.metrics import Estimate
from models.evaluation.panel import Outcomes, Panel, choose_panel, weigh, weigh_differences
from models.evaluation.protocol import evaluate, rank_anchors_as_served
from models.plays.catalogue import FIRST_TRACK, UNKNOWN, track_keys
from models.plays.split import Lists, Plays, Split, split_plays
from models.release import Release
from models.release_files import Json
from models.serving.recommender import Recommender
from streamer.archive.plays import ArchivedPlays

MAX_REFERENCE_PLAYS: Final = 20_000  # as many held-out plays of the champion as its loss could hide in; half a minute
LIVE_CONTEXT_PLAYS: Final = 200_000  # earlier plays of the live hit rate's listeners included; seconds to answer
LIVE_PLAYS: Final = 5_000

#: The baselines that cost little compared with a fit.
CHEAP_BASELINES: Final = (POPULARITY, "personal_popularity", "markov", "sequential_rules", "item_knn")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of a comparison.

    Attributes:
        metrics: as the release keeps them.
        verdict: of the gate.
    """

    metrics: dict[str, Json]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Terms:
    """What a judgement depends on besides plays and weights.

    Attributes:
        now_ms: since the epoch.
        fresh_after_s: of the gate.
        num_new: how many of the window's plays are new to every fit; listeners with older plays are long-known.
        traffic: a sentence on the plays left out; may be empty.
        withdrawn: uint64 (W,), the keys of tracks that no list may hold, as a worker leaves them out.
    """

    now_ms: int
    fresh_after_s: float
    num_new: int
    traffic: str = ""
    withdrawn: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))


def columns(plays: ArchivedPlays) -> Plays:
    """Convert archived plays to the columns that a split takes."""
    return Plays(plays.users, plays.tracks, plays.track_ids, plays.played_at_ms, plays.contexts)


def judge_candidate(
    plays: ArchivedPlays, split: Split, candidate: Recommender, champion: Release | None, terms: Terms
) -> Judgement:
    """Compare a candidate with the champion and the baselines, all of them without the withdrawn tracks.

    A play of a withdrawn track is a miss for each of them, and no part of the live hit rate.

    Args:
        plays: the window.
        split: of the window; its test part was held out of the candidate's fit.
        candidate: the weights to judge.
        champion: None if there is none, or if it cannot be loaded.
        terms: of the judgement.
    """
    candidate = candidate.without_keys(terms.withdrawn)
    if champion is not None:
        champion = dataclasses.replace(champion, recommender=champion.recommender.without_keys(terms.withdrawn))
    lists = _answer(split, candidate, champion, terms.withdrawn)
    panel = choose_panel(split, _known_before_ms(plays, split, terms.num_new))
    outcomes = {name: panel.measure(each) for name, each in lists.items()}
    evidence = Evidence(
        judged=_judged(panel),
        candidate={metric: weigh(outcome) for metric, outcome in outcomes["candidate"].items()},
        baselines={name: _lead_over(name, champion, outcomes) for name in CHEAP_BASELINES},
        champion=None if champion is None else _against(champion, plays, candidate, outcomes, terms.now_ms),
        traffic=terms.traffic,
    )
    verdict = judge(evidence, fresh_after_s=terms.fresh_after_s)
    held_out = np.flatnonzero(plays.played_at_ms >= split.t2_ms)  # of a backlog, not those that arrived last
    live = measure_live(candidate, plays, held_out[-LIVE_PLAYS:], terms.withdrawn)
    metrics: dict[str, Json] = {
        "held_out_from_ms": split.t2_ms,
        "held_out_until_ms": int(plays.played_at_ms.max()) + 1,
        "passed": verdict.may_be_released,
        "verdict": verdict.paragraph,
        "gate": dataclasses.asdict(evidence),
        "tracks_withdrawn": len(terms.withdrawn),
        "live_hit_rate": None if live is None else dataclasses.asdict(live),
    }
    return Judgement(metrics | {name: evaluate(split, "test", each).to_dict() for name, each in lists.items()}, verdict)


def _answer(
    split: Split, candidate: Recommender, champion: Release | None, withdrawn: NDArray[np.uint64]
) -> dict[str, Lists]:
    """Let the candidate, the champion and the baselines answer the held-out plays."""
    rows = split.catalogue.rows(withdrawn)
    unlisted = rows[rows != UNKNOWN] - FIRST_TRACK
    lists = {"candidate": rank_anchors_as_served(candidate, split, "test")}
    if champion is not None:
        lists[champion.release_id] = rank_anchors_as_served(champion.recommender, split, "test")
    return lists | {name: BASELINES[name].fit(split).rank(split, "test", unlisted) for name in CHEAP_BASELINES}


def _lead_over(baseline: str, champion: Release | None, outcomes: Mapping[str, Mapping[str, Outcomes]]) -> BaselineLead:
    """Estimate how much better the candidate and the champion are than a baseline."""
    return BaselineLead(
        candidate=weigh_differences(outcomes["candidate"], outcomes[baseline]),
        champion=None if champion is None else weigh_differences(outcomes[champion.release_id], outcomes[baseline]),
    )


def measure_live(
    recommender: Recommender, plays: ArchivedPlays, judged: NDArray[np.int64], withdrawn: NDArray[np.uint64]
) -> Estimate | None:
    """Measure the live hit rate on some plays of a window; None if too few listeners played them.

    Args:
        recommender: answers, without the withdrawn tracks.
        plays: the window.
        judged: int64, indices of the plays; those before the latest `LIVE_CONTEXT_PLAYS` are skipped.
        withdrawn: uint64 (W,), keys of tracks whose plays judge nobody: no fit can bring them back into a list.
    """
    is_judged = np.zeros(len(plays), np.bool_)
    is_judged[judged] = True
    newest = np.arange(max(0, len(plays) - LIVE_CONTEXT_PLAYS), len(plays))
    recent = plays.take(newest)
    keys = track_keys(recent.track_ids)[recent.tracks]
    is_judged = is_judged[newest] & ~np.isin(keys, withdrawn)
    hits = live_hits(recommender, recent.users, keys, recent.played_at_ms, recent.contexts, is_judged=is_judged)
    return live_hit_rate(hits, recent.users)


def _against(
    champion: Release,
    plays: ArchivedPlays,
    candidate: Recommender,
    outcomes: Mapping[str, Mapping[str, Outcomes]],
    now_ms: int,
) -> ChampionLead:
    reference = _reference_panel(champion, plays)
    then = {}
    if reference is not None:
        mine, theirs = (
            reference.measure(rank_anchors_as_served(each, reference.split, "test"))
            for each in (candidate, champion.recommender)
        )
        then = weigh_differences(mine, theirs)
    return ChampionLead(
        release_id=champion.release_id,
        age_s=max(0.0, (now_ms - champion.created_at_ms) / 1000),
        newest=weigh_differences(outcomes["candidate"], outcomes[champion.release_id]),
        reference=None if reference is None else _judged(reference),
        then=then,
    )


def _reference_panel(champion: Release, plays: ArchivedPlays) -> Panel | None:
    """Choose the panel that judged the champion, on its own held-out plays; None if the window has too few of them."""
    from_ms, until_ms = (champion.metrics.get(name) for name in ("held_out_from_ms", "held_out_until_ms"))
    if not isinstance(from_ms, int) or not isinstance(until_ms, int):  # of a trainer that did not record them
        return None
    then = plays.take(np.flatnonzero(plays.played_at_ms < until_ms))
    newest_ms = np.sort(then.played_at_ms)[-MAX_REFERENCE_PLAYS:]
    if not len(newest_ms) or not (then.played_at_ms < from_ms).any():
        return None
    from_ms = max(from_ms, int(newest_ms[0]))
    panel = choose_panel(split_plays(columns(then), t1_ms=from_ms, t2_ms=from_ms), from_ms)
    return panel if panel.is_large_enough else None


def _known_before_ms(plays: ArchivedPlays, split: Split, num_new: int) -> int:
    """Find the time of the first new play; if most of a window is new, its older half counts as old."""
    place = max(len(plays) // 2, len(plays) - num_new)
    return min(int(np.sort(plays.played_at_ms)[place]), split.t2_ms) if place < len(plays) else split.t2_ms


def _judged(panel: Panel) -> Judged:
    return Judged(panel.num_plays, panel.num_listeners, panel.is_long_known)
