from __future__ import annotations

import numpy as np
import pytest

from models.serving.track_map import TrackMap

MAP = TrackMap(
    np.array([[-1, 1], [np.nan, np.nan], [0, 0.5]], np.float32),
    np.array([0, 11, 3], np.uint8),
    np.array([255, 0, 3], np.uint8),
    np.array(30, np.float32),
)


def test_a_map_fits_as_many_tracks_as_it_has() -> None:
    MAP.check(3)

    with pytest.raises(ValueError, match=r"places of the map is float32 \(3, 2\), not float32 \(4, 2\)"):
        MAP.check(4)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (MAP._replace(places=MAP.places * 2), "beyond its border"),
        (MAP._replace(extent=np.array(np.nan, np.float32)), "beyond its border"),
        (MAP._replace(extent=np.array(0, np.float32)), "beyond its border"),
        (MAP._replace(groups=MAP.groups + np.uint8(1)), "more than 12 groups"),
        (MAP._replace(weights=MAP.weights.astype(np.int64)), r"weights of the map is int64 \(3,\), not uint8"),
    ],
)
def test_what_no_picture_could_hold_is_rejected(broken: TrackMap, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        broken.check(3)
