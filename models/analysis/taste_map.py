"""Taste maps: tracks on a plane, and how the taste of some listeners moves among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK
from models.plays.histories import Histories, bounds_of
from models.plays.split import Split
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from models.training.layout import lay_out

_NUM_TRACKS: Final = 900  # the most played
_NUM_LISTENERS: Final = 5
_NUM_MOMENTS: Final = 16
_SHORT_TERM: Final = 0


@dataclass(frozen=True, slots=True)
class TasteMap:
    """A plane. It names neither tracks nor listeners.

    Attributes:
        tracks: float32 (N, 2), the most played tracks.
        shares: float64 (N,), their plays before T1, relative to those of the most played one.
        paths: float32 (moments, 2) each, the taste of one listener over time, oldest first.
    """

    tracks: NDArray[np.float32]
    shares: NDArray[np.float64]
    paths: Sequence[NDArray[np.float32]]


def draw_taste_map(recommender: Recommender, split: Split) -> TasteMap:
    """Lay out the most played tracks together with the short-term tastes of the listeners with the most plays.

    Tracks and tastes are laid out together, so that they share one plane, and then taken apart again:

        vectors   [ items: N tracks | tastes of listener 0 | tastes of listener 1 | ... ]   (N + moments of all, E)
                                            |  lay out
        placed    [ tracks          | path 0               | path 1               | ... ]   (N + moments of all, 2)

    Args:
        recommender: the map shows its network's vectors; its catalogue is the split's.
        split: the plays.
    """
    train = split.histories.played_at_ms < split.t1_ms
    counts = np.bincount(split.rows[train] - FIRST_TRACK, minlength=len(split.catalogue))  # (M,)
    tracks = np.sort(np.argsort(-counts, kind="stable")[:_NUM_TRACKS])  # (N,)
    lengths = np.diff(split.histories.bounds)
    listeners = np.argsort(-lengths, kind="stable")[:_NUM_LISTENERS]
    tastes = [_tastes(recommender, split, int(listener)) for listener in listeners]  # (moments, E) each
    items = recommender.network.items().detach().cpu().numpy()[tracks]  # (N, E)
    vectors = np.concatenate([items, *tastes])
    placed = lay_out(vectors)
    paths = np.split(placed[len(tracks) :], np.cumsum([len(each) for each in tastes])[:-1])
    return TasteMap(placed[: len(tracks)], counts[tracks] / counts.max(), paths)


def _tastes(recommender: Recommender, split: Split, listener: int) -> NDArray[np.float32]:
    """Follow a listener's short-term taste through their plays, at evenly spread moments: float32 (moments, E).

    Each moment becomes a listener of its own, who has heard the plays up to it:

        plays      p0 p1 p2 p3 p4         moments  1  3  5
        prefixes   p0 | p0 p1 p2 | p0 p1 p2 p3 p4
    """
    one = split.histories.of(np.array([listener]))
    moments = np.unique(np.linspace(1, one.num_plays, _NUM_MOMENTS).astype(np.int64))  # plays heard at each moment
    plays = np.concatenate([np.arange(moment) for moment in moments])
    prefixes = Histories(
        bounds_of(moments), one.track_keys[plays], one.played_at_ms[plays], one.contexts[plays], one.repeats[plays]
    )
    network = recommender.network
    no_anchors = np.empty(0, np.int64)
    step_input = StepInput.from_nothing(prefixes, no_anchors, num_hidden=network.config.hidden_size)
    states = torch.from_numpy(step(recommender, step_input, sizes=(1, 1)).hidden).to(network.device)
    with torch.inference_mode():
        tastes: NDArray[np.float32] = network.tastes(network.read(states), _SHORT_TERM).cpu().numpy()
    return tastes
