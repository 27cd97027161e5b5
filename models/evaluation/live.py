"""The live hit rate: the share of the newest plays that were in the list answered just before.

The workers' answers need not be read: serving is training, so the same lists can be computed from the plays. Unlike the
protocol's hit rate (`models.evaluation.protocol`), this one counts plays of tracks the release does not know as misses:
new music is what ages a release most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import Estimate
from models.evaluation.panel import MIN_LISTENERS, Outcomes, weigh
from models.plays.histories import gather_histories
from models.serving.offline import answer
from models.serving.recommender import Recommender


def live_hits(
    recommender: Recommender,
    listeners: NDArray[np.int64],
    track_keys: NDArray[np.uint64],
    played_at_ms: NDArray[np.int64],
    contexts: NDArray[np.uint8],
    *,
    is_judged: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Find which plays were among the 20 tracks that would have been answered after their listener's previous play.

    Args:
        recommender: answers.
        listeners: int64 (P,), in the order of arrival, 0 and up.
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,).
        contexts: uint8 (P,).
        is_judged: bool (P,), which plays to look for.

    Returns:
        float64 (P,), 1 or 0; NaN for plays that are not judged and for first plays, before which there is no list.
    """
    histories = gather_histories(listeners, track_keys, played_at_ms, contexts)
    arrivals = np.argsort(listeners, kind="stable")  # (P,), when each play of the histories arrived
    is_first = np.zeros(len(arrivals), np.bool_)
    is_first[histories.bounds[:-1][np.diff(histories.bounds) > 0]] = True
    judged = np.flatnonzero(is_judged[arrivals] & ~is_first)  # (J,)
    targets = recommender.catalogue.rows(histories.track_keys[judged])  # (J,)
    hits = np.full(len(listeners), np.nan)
    hits[arrivals[judged]] = (answer(recommender, histories, judged - 1).short_term == targets[:, None]).any(1)
    return hits


def live_hit_rate(hits: NDArray[np.float64], listeners: NDArray[np.int64]) -> Estimate | None:
    """Average the hits that `live_hits` returns.

    Args:
        hits: float64 (P,), NaN for plays that were not judged.
        listeners: int64 (P,).

    Returns:
        HR@20, weighted like a panel's figures; None if too few listeners played.
    """
    is_judged = ~np.isnan(hits)
    if len(np.unique(listeners[is_judged])) < MIN_LISTENERS:
        return None
    return weigh(Outcomes(hits[is_judged], listeners[is_judged]))


def has_fallen(then: Estimate, now: Estimate) -> bool:
    """Check whether a rate is significantly lower than it was, measured on different plays.

    The two figures are independent, so the squares of their half-widths add up to that of the difference.
    """
    return now.mean - then.mean + float(np.hypot(now.high - now.mean, then.mean - then.low)) < 0
