"""The live hit rate: of the newest plays, the share that stood in the list answered just before.

What the workers answer need not be read: serving is training, so the lists are made again from the plays. Unlike the
protocol's hit rate (`models.evaluation`) this one counts plays of tracks the release does not know as misses: new music
is what most of all makes a release grow old.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.evaluation import Estimate, answer
from models.histories import gather_histories
from models.jury import MIN_LISTENERS, Outcomes, weigh
from models.recommender import Recommender


def live_hit_rate(
    recommender: Recommender,
    listeners: NDArray[np.int64],
    track_keys: NDArray[np.uint64],
    played_at_ms: NDArray[np.int64],
    contexts: NDArray[np.uint8],
    *,
    num_judged: int,
) -> Estimate | None:
    """Measure HR@20 on the newest of some plays, the older ones being what their listeners had played before.

    Args:
        recommender: that answers.
        listeners: int64 (P,), in the order of arrival, 0 and up.
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,).
        contexts: uint8 (P,).
        num_judged: how many of the newest are looked for in the lists; a listener's first play has none.

    Returns:
        Weighed as a jury's figures are; None where too few listeners played.
    """
    histories = gather_histories(listeners, track_keys, played_at_ms, contexts)
    arrivals = np.argsort(listeners, kind="stable")  # of the plays of the histories
    has_next = np.ones(len(arrivals), np.bool_)
    has_next[histories.bounds[1:][np.diff(histories.bounds) > 0] - 1] = False
    is_judged = np.append(arrivals[1:] >= len(arrivals) - num_judged, False)[: len(arrivals)]
    anchors = np.flatnonzero(has_next & is_judged)
    whose = histories.listeners()[anchors]
    if len(np.unique(whose)) < MIN_LISTENERS:
        return None
    targets = recommender.catalogue.rows(histories.track_keys[anchors + 1])
    hits = (answer(recommender, histories, anchors).short_term == targets[:, None]).any(1)
    return weigh(Outcomes(hits.astype(np.float64), whose))


def has_fallen(then: Estimate, now: Estimate) -> bool:
    """Tell whether a rate is surely lower than it was, the two being of different plays.

    The interval of the difference is that of two independent figures: its half-widths add up as squares.
    """
    return now.mean - then.mean + float(np.hypot(now.high - now.mean, then.mean - then.low)) < 0
