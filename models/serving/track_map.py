"""A map of the tracks: where each is on a plane on which similar tracks are neighbours.

It is for people to look at. No step reads it, and it stays where it was mapped, on whatever device the network is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_GROUPS: Final = 12


class TrackMap(NamedTuple):
    """The places of M tracks, in row order: the first is that of the first track.

    Attributes:
        places: float32 (M, 2), -1..1; NaN where a track has no place.
        groups: uint8 (M,), below NUM_GROUPS: tracks that point in a similar direction.
        weights: uint8 (M,), the logarithm of a track's plays; 255 is that of the most played one.
        extent: float32 (), what 1 is worth in units of the layout, from which the next one starts.
    """

    places: NDArray[np.float32]
    groups: NDArray[np.uint8]
    weights: NDArray[np.uint8]
    extent: NDArray[np.float32]

    def check(self, num_tracks: int) -> None:
        """Reject a map of other tracks, or what no picture could hold.

        Raises:
            ValueError: it does not fit the tracks.
        """
        expected = {
            "places": ((num_tracks, 2), np.float32),
            "groups": ((num_tracks,), np.uint8),
            "weights": ((num_tracks,), np.uint8),
            "extent": ((), np.float32),
        }
        for name, (shape, dtype) in expected.items():
            array: NDArray[np.generic] = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} of the map is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
        if self.groups.max(initial=0) >= NUM_GROUPS:
            raise ValueError(f"the map has more than {NUM_GROUPS} groups")
        if (np.abs(self.places) > 1).any() or not np.isfinite(self.extent) or self.extent <= 0:
            raise ValueError("the map has places beyond its border")
