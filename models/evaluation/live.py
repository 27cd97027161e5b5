"""The live hit rate: of the newest plays, the share that stood in the list answered just before.

What the workers answer need not be read: serving is training, so the same lists can be made from the plays. Unlike the
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
    """Tell which plays stood among the 20 that would have been answered after their listener's play before.

    Args:
        recommender: that answers.
        listeners: int64 (P,), in the order of arrival, 0 and up.
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,).
        contexts: uint8 (P,).
        is_judged: bool (P,), which are looked for.

    Returns:
        float64 (P,), 1 or 0; NaN where it is not judged, or its listener's first play, before which there is no list.
    """
    histories = gather_histories(listeners, track_keys, played_at_ms, contexts)
    arrivals = np.argsort(listeners, kind="stable")  # of the plays of the histories
    is_first = np.zeros(len(arrivals), np.bool_)
    is_first[histories.bounds[:-1][np.diff(histories.bounds) > 0]] = True
    asked = np.flatnonzero(is_judged[arrivals] & ~is_first)
    targets = recommender.catalogue.rows(histories.track_keys[asked])
    hits = np.full(len(listeners), np.nan)
    hits[arrivals[asked]] = (answer(recommender, histories, asked - 1).short_term == targets[:, None]).any(1)
    return hits


def live_hit_rate(hits: NDArray[np.float64], listeners: NDArray[np.int64]) -> Estimate | None:
    """Average what `live_hits` told of some plays.

    Args:
        hits: float64 (P,), NaN where nothing was judged.
        listeners: int64 (P,).

    Returns:
        HR@20, weighed as a jury's figures are; None where too few listeners played.
    """
    asked = ~np.isnan(hits)
    if len(np.unique(listeners[asked])) < MIN_LISTENERS:
        return None
    return weigh(Outcomes(hits[asked], listeners[asked]))


def has_fallen(then: Estimate, now: Estimate) -> bool:
    """Tell whether a rate is surely lower than it was, the two being of different plays.

    The interval of the difference is that of two independent figures: its half-widths add up as squares.
    """
    return now.mean - then.mean + float(np.hypot(now.high - now.mean, then.mean - then.low)) < 0
