"""Baselines a network must beat: counts of what was played before T1, and of what the listener played.

`BASELINES` names them, each with the hyperparameters that did best on the validation part of 30Music; `VARIANTS` lists
those that were tried. A baseline is used in two steps, so that it counts once and ranks often:

    fitted = BASELINES["vsknn"].fit(split)
    lists = fitted.rank(split, "test")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from typing import Final

from models.evaluation.baselines.baseline import Baseline, FittedBaseline, Method, Scorer, rank
from models.evaluation.baselines.item_knn import ItemKnn
from models.evaluation.baselines.popularity import PersonalPopularity, Popularity
from models.evaluation.baselines.session_knn import SessionKnn
from models.evaluation.baselines.transitions import Transitions

__all__ = ["BASELINES", "VARIANTS", "Baseline", "FittedBaseline", "Method", "Scorer", "rank"]


def _vstan(decay: float, recency_days: float, reach_plays: float) -> SessionKnn:
    return SessionKnn(decay, idf_weight=1.0, recency_days=recency_days, reach_plays=reach_plays)


BASELINES: Final[Mapping[str, Baseline]] = {
    "popularity": Baseline(Popularity(), Popularity()),
    "personal_popularity": Baseline(PersonalPopularity(0.9), PersonalPopularity(0.95), damping=0.5),
    "markov": Baseline(Transitions(reach=1, num_plays=1), Transitions(reach=1, num_plays=1)),
    "sequential_rules": Baseline(Transitions(num_plays=20, decay=0.4), Transitions(num_plays=20, decay=0.9)),
    "item_knn": Baseline(ItemKnn(0.4, shrinkage=20), ItemKnn(0.9, shrinkage=20), damping=0.5),
    "vsknn": Baseline(SessionKnn(0.6, match_decay=0.8, idf_weight=1.0), SessionKnn(0.9), damping=0.25),
    "vstan": Baseline(_vstan(0.6, inf, 10), _vstan(0.9, 120, 10), damping=0.25),
}
"""Baselines by name, weakest first."""

VARIANTS: Final[Mapping[str, Sequence[Method]]] = {
    "popularity": [Popularity()],
    "personal_popularity": [PersonalPopularity(decay) for decay in (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)],
    "markov": [Transitions(reach=1, num_plays=1)],
    "sequential_rules": [
        Transitions(num_plays=1),
        *(Transitions(num_plays=num, decay=decay) for num, decay in product((5, 20), (0.4, 0.6, 0.8, 0.9))),
    ],
    "item_knn": [ItemKnn(decay, shrinkage) for decay, shrinkage in product((0.4, 0.6, 0.8, 0.9), (1, 5, 20))],
    "vsknn": [
        SessionKnn(decay, match_decay=match, idf_weight=idf)
        for decay, match, idf in product((0.4, 0.6, 0.9), (0.8, 1.0), (0.0, 1.0))
    ],
    "vstan": [_vstan(decay, days, reach) for decay, days, reach in product((0.4, 0.6, 0.9), (120, inf), (1, 2, 10))],
}
"""Variants to try for each baseline on plays other than those the defaults were chosen on."""
