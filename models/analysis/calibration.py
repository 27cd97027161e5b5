"""Calibration: whether a network's own probabilities match how often its lists hold the next play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.config import SHORT_TERM_SIZE
from models.evaluation.metrics import Estimate, estimate, short_term_metrics
from models.plays.split import Part, Split
from models.serving.offline import steps_to
from models.serving.recommender import Recommender
from models.serving.step import step

_NUM_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Lists that the network is about equally sure of.

    Attributes:
        probability: mean over the lists of the sum of the softmax over the catalogue at their tracks.
        hit_rate: how often a list held the next play.
        num_anchors: number of lists.
    """

    probability: float
    hit_rate: Estimate
    num_anchors: int


def calibrate(recommender: Recommender, split: Split, part: Part, *, max_anchors: int = 4000) -> Sequence[Calibrated]:
    """Sort the short-term lists of a network by how sure it is, and cut them into ten equal bins.

    Args:
        recommender: its first stage answers, by the protocol; its catalogue is the split's.
        split: the plays.
        part: the lists answer at its anchors.
        max_anchors: largest number of anchors, evenly spread: each needs the scores of the whole catalogue.
    """
    first_stage = Recommender(recommender.network, recommender.catalogue)
    network, num_tracks = first_stage.network, len(first_stage.catalogue)
    anchors = split.anchors(part)
    anchors = anchors[:: max(1, -(-len(anchors) // max_anchors))]
    lists, probabilities = [], []
    for _, step_input in steps_to(split.histories, anchors, network.config.hidden_size):
        ranked = step(first_stage, step_input, sizes=(num_tracks, 1)).ranked[0]
        scores = ranked.scores.astype(np.float64)  # (a, M), relative to the best
        probabilities.append(scores[:, :SHORT_TERM_SIZE].sum(1) / scores.sum(1))
        lists.append(ranked.rows[:, :SHORT_TERM_SIZE])
    probability = np.concatenate(probabilities)  # (A,)
    hits = short_term_metrics(split, anchors, np.concatenate(lists))["HR@20"]  # (A,)
    listeners = split.histories.listeners()[anchors]
    return [
        Calibrated(float(probability[chosen].mean()), estimate(hits[chosen], listeners[chosen]), len(chosen))
        for chosen in np.array_split(np.argsort(probability, kind="stable"), _NUM_BINS)
        if len(chosen)
    ]
