"""Reading a map: where taste vectors are among the places of the tracks."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.serving.first_stage import FirstStage
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.serving.withdrawn import Withdrawn

_NEAREST: Final = 10
_SHARPNESS: Final = 20.0  # about the temperature that networks learn


class MapReader:
    """Places taste vectors amid the tracks that they point to.

    Args:
        recommender: of the release, with all its tracks: the map does not change when one is withdrawn.
        track_map: of the release.
    """

    def __init__(self, recommender: Recommender, track_map: TrackMap) -> None:
        self._recommender = recommender
        self._places = track_map.places

    def places_of(self, tastes: torch.Tensor) -> NDArray[np.float32]:
        """Place unit vectors, float32 (A, E), each at the mean of its nearest tracks: float32 (A, 2).

        A track weighs the more, the closer it is (softmax of the cosines), so that a place moves little where one track
        gives way to another.
        """
        best = self._first_stage.best(tastes, min(_NEAREST, len(self._places)))
        tracks, cosines = best.tracks.cpu().numpy(), best.scores.cpu().numpy()
        is_found = tracks >= 0  # (A, n); a map has a place for one track at least
        weights = np.where(is_found, np.exp(_SHARPNESS * (cosines - cosines[:, :1])), 0)
        weights /= weights.sum(axis=1, keepdims=True)
        places = np.where(is_found[:, :, None], self._places[tracks], 0)
        mean: NDArray[np.float32] = (weights[:, :, None] * places).sum(axis=1).astype(np.float32)
        return mean

    @cached_property
    def _first_stage(self) -> FirstStage:
        """What finds tracks that have a place."""
        first_stage, network = self._recommender.first_stage, self._recommender.network
        unplaced = np.flatnonzero(np.isnan(self._places[:, 0]))
        if not len(unplaced):
            return first_stage
        return first_stage.without(Withdrawn.of(unplaced, len(self._places), network.device))
