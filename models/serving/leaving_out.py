"""Leaving out: how much lower the first stage would score a track, had its listener not played another one.

For each track of the ring, a state is rebuilt from the ring without its plays, as states are rebuilt under new weights,
and compared with one that is rebuilt from the whole ring. So the difference is due to that track alone: to the taste
vector, and to the ring terms. On a CPU, all these states are rebuilt at once (`compiled_leaving_out`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.compiled import compiled
from models.config import HORIZONS
from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.features import KnownPlays, known_plays, play_features
from models.plays.histories import Histories, bounds_of
from models.plays.ring import ring_windows
from models.serving.compiled_leaving_out import fold_without
from models.serving.compiled_network import CompiledNetwork
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
        tracks: int64 (n,), 0..M-1, rising.
    """
    rows = recommender.catalogue.rows(ring.track_keys)
    distinct, firsts = np.unique(rows, return_index=True)
    distinct = distinct[np.argsort(firsts)]
    distinct = distinct[distinct >= FIRST_TRACK]  # by their first plays
    is_of_track = rows == distinct[:, None]  # (D, P)
    kept = np.vstack([np.ones((1, len(rows)), np.bool_), ~is_of_track])
    has_plays: NDArray[np.bool_] = np.any(kept[1:] & (rows >= FIRST_TRACK), axis=1)
    scores = _scores(recommender, _without(ring, kept), distinct, tracks)
    losses = scores[:, :1] - np.where(has_plays[:, None], scores[:, 1:], 0.0)  # without any play there is no taste
    plays_ago = np.argmax(is_of_track[:, ::-1], axis=1)
    latest_first = np.argsort(plays_ago)
    return Losses(distinct[latest_first], plays_ago[latest_first], losses[:, latest_first])


def _without(ring: Histories, kept: NDArray[np.bool_]) -> Histories:
    """Lay out a listener for each row of `kept` (B, P), who has the plays that are marked."""
    listeners, plays = np.nonzero(kept)
    bounds = bounds_of(np.bincount(listeners, minlength=len(kept)))
    return Histories(
        bounds, ring.track_keys[plays], ring.played_at_ms[plays], ring.contexts[plays], ring.repeats[plays]
    )


def _scores(
    recommender: Recommender, histories: Histories, left_out: NDArray[np.int64], tracks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Score tracks (n,) by the first stage for B listeners, after their last play: float64 (2, B, n).

    The first listener has all plays, the others those of all tracks but one in `left_out`, (B - 1,).
    """
    num_hidden = recommender.network.config.hidden_size
    is_there = np.diff(histories.bounds) > 0
    step_input = StepInput.from_nothing(histories, histories.bounds[1:][is_there] - 1, num_hidden=num_hidden)
    known = known_plays(histories, recommender.catalogue, recommender.network.config)
    with torch.inference_mode():
        if recommender.compiled_network is None:
            states = fold(recommender, known, step_input)[1]
        else:
            states = torch.from_numpy(_fold(recommender, recommender.compiled_network, known, left_out)[is_there])
        rings = ring_windows(known, histories.bounds, step_input.anchors)
        tastes, terms = tastes_and_terms(recommender, states, rings)
        items = recommender.items[torch.from_numpy(tracks).to(tastes.device)]  # (n, E)
        scores = np.zeros((len(HORIZONS), len(is_there), len(tracks)))
        scores[:, is_there] = (tastes @ items.T).double().cpu().numpy()  # (2, A, n)
    _add_terms(scores, np.flatnonzero(is_there), rings.rows, terms.cpu().numpy(), tracks)
    return scores


def _fold(
    recommender: Recommender, network: CompiledNetwork, known: KnownPlays, left_out: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Fold what each of the listeners has, all at once: float32 (B, H)."""
    num = known.bounds[1]
    rows = known.rows[:num]
    is_of_track = rows == left_out[:, None]  # (B - 1, K)
    numbers = np.arange(1, len(left_out) + 1) @ is_of_track  # (K,)
    before, places = np.roll(numbers, 1), np.arange(num)
    num_gone = np.cumsum(is_of_track, axis=1)[before - 1, places]  # of the track before, up to each play
    after = np.where((places > 0) & (before != numbers), known.bounds[before] + places - num_gone, 0)
    config = recommender.network.config
    features = play_features(known, places, config), play_features(known, after, config)
    return fold_without(network, (rows, numbers), *features)


@compiled
def _add_terms(
    scores: NDArray[np.float64],
    listeners: NDArray[np.int64],
    rows: NDArray[np.int64],
    terms: NDArray[np.float32],
    tracks: NDArray[np.int64],
) -> None:
    """Add ring terms to the scores of tracks that a ring holds.

    Args:
        scores: float64 (2, B, n), written.
        listeners: int64 (A,), of the B, whose rings these are.
        rows: int64 (A, W), as in `RingWindows`.
        terms: float32 (2, A, W), of these.
        tracks: int64 (n,), rising.
    """
    for number, listener in enumerate(listeners):
        for place in range(rows.shape[1]):
            track = rows[number, place] - FIRST_TRACK
            column = np.searchsorted(tracks, track)
            if rows[number, place] != PAD and column < len(tracks) and tracks[column] == track:
                for horizon in range(len(scores)):
                    scores[horizon, listener, column] += terms[horizon, number, place]
