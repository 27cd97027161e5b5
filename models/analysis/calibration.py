"""Calibration: whether a network's own probabilities say how likely its lists are to hold the next play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from models.evaluation.metrics import Estimate, estimate, short_term_metrics
from models.plays.split import Part, Split
from models.serving.offline import SHORT_TERM_SIZE, steps_to
from models.serving.recommender import Recommender
from models.serving.step import step

_NUM_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Lists that the network is about equally sure of.

    Attributes:
        probability: the mean of the softmax over the catalogue, added up over the list.
        hit_rate: how often the list held the next play.
        num_anchors: how many lists.
    """

    probability: float
    hit_rate: Estimate
    num_anchors: int


def calibrate(recommender: Recommender, split: Split, part: Part, *, max_anchors: int = 4000) -> Sequence[Calibrated]:
    """Sort the short-term lists of a network by how sure it is, and cut them into ten equal bins.

    Args:
        recommender: its first stage is asked, by the protocol; its catalogue is the split's.
        split: the plays.
        part: whose anchors are asked.
        max_anchors: at most so many of them, evenly spread: each needs the scores of the whole catalogue.
    """
    first_stage = Recommender(recommender.network, recommender.catalogue)
    network, num_tracks = first_stage.network, len(first_stage.catalogue)
    every = split.anchors(part)
    anchors = every[:: max(1, -(-len(every) // max_anchors))]
    lists, probabilities = [], []
    for _, step_input in steps_to(split.histories, anchors, network.config.hidden_size):
        ranked = step(first_stage, step_input, sizes=(num_tracks, 1)).ranked[0]
        logits = network.temperature.item() * torch.from_numpy(ranked.scores)  # (a, M), best first
        probabilities.append(logits.softmax(1)[:, :SHORT_TERM_SIZE].sum(1).numpy())
        lists.append(ranked.rows[:, :SHORT_TERM_SIZE])
    probability, hits = (
        np.concatenate(probabilities),
        short_term_metrics(split, anchors, np.concatenate(lists))["HR@20"],
    )
    listeners = split.histories.listeners()[anchors]
    return [
        Calibrated(float(probability[chosen].mean()), estimate(hits[chosen], listeners[chosen]), len(chosen))
        for chosen in np.array_split(np.argsort(probability, kind="stable"), _NUM_BINS)
        if len(chosen)
    ]
