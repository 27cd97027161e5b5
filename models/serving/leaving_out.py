"""Leaving out: how much lower the first stage would score a track, had its listener not played another one.

For each track of the ring, a state is rebuilt from the ring without its plays, by the pass that rebuilds states under
new weights, and compared with one that is rebuilt from the whole ring. So the difference is due to that track alone: to
the taste vector, and to the ring terms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.config import HORIZONS
from models.plays.catalogue import FIRST_TRACK
from models.plays.features import known_plays
from models.plays.histories import Histories, bounds_of
from models.plays.ring import ring_windows
from models.serving.folding import fold
from models.serving.reading import tastes_and_terms
from models.serving.recommender import Recommender
from models.serving.step_input import StepInput


class Losses(NamedTuple):
    """What each of D tracks of a ring is worth to n tracks.

    Attributes:
        rows: int64 (D,), catalogue rows of the ring's tracks, latest first.
        plays_ago: int64 (D,), of their latest plays.
        of_scores: float64 (2, D, n), how much lower the first stage scores each of the n tracks without each of the D.
    """

    rows: NDArray[np.int64]
    plays_ago: NDArray[np.int64]
    of_scores: NDArray[np.float64]


def leave_out(recommender: Recommender, ring: Histories, tracks: NDArray[np.int64]) -> Losses:
    """Leave out each known track of a ring.

    Args:
        recommender: of the listener's state.
        ring: the remembered plays of one listener.
        tracks: int64 (n,), 0..M-1.
    """
    rows = recommender.catalogue.rows(ring.track_keys)
    distinct, places = np.unique(rows[::-1], return_index=True)
    is_known = distinct >= FIRST_TRACK
    distinct, plays_ago = distinct[is_known], places[is_known]
    latest_first = np.argsort(plays_ago)
    distinct, plays_ago = distinct[latest_first], plays_ago[latest_first]
    kept = rows != distinct[:, None]  # (D, P)
    has_plays = (kept & (rows >= FIRST_TRACK)).any(1)
    scores = _scores(recommender, _without(ring, np.vstack([np.ones((1, len(rows)), np.bool_), kept])), tracks)
    losses = scores[:, :1] - np.where(has_plays[:, None], scores[:, 1:], 0.0)  # without any play there is no taste
    return Losses(distinct, plays_ago, losses)


def _without(ring: Histories, kept: NDArray[np.bool_]) -> Histories:
    """Lay out a listener for each row of `kept` (B, P), who has the plays that are marked."""
    listeners, plays = np.nonzero(kept)
    bounds = bounds_of(np.bincount(listeners, minlength=len(kept)))
    return Histories(
        bounds, ring.track_keys[plays], ring.played_at_ms[plays], ring.contexts[plays], ring.repeats[plays]
    )


def _scores(recommender: Recommender, histories: Histories, tracks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score tracks (n,) by the first stage for B listeners, after their last play: float64 (2, B, n)."""
    num_hidden = recommender.network.config.hidden_size
    is_there = np.diff(histories.bounds) > 0
    step_input = StepInput.from_nothing(histories, histories.bounds[1:][is_there] - 1, num_hidden=num_hidden)
    known = known_plays(histories, recommender.catalogue, recommender.network.config)
    with torch.inference_mode():
        _, states = fold(recommender, known, step_input)
        rings = ring_windows(known, histories.bounds, step_input.anchors)
        tastes, terms = tastes_and_terms(recommender, states, rings)
        items = recommender.items[torch.from_numpy(tracks).to(tastes.device)]  # (n, E)
        cosines = (tastes @ items.T).double().cpu().numpy()  # (2, A, n)
        of_ring = terms.double().cpu().numpy()  # (2, A, W)
    is_held = rings.rows[:, None] == tracks[:, None] + FIRST_TRACK  # (A, n, W)
    scores = np.zeros((len(HORIZONS), len(is_there), len(tracks)))
    scores[:, is_there] = cosines + np.einsum("haw,anw->han", of_ring, is_held)
    return scores
