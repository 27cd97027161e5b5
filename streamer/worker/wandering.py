"""Wandering: the path of a listener's taste over the map of the release that answers, play by play."""

import numpy as np

from models.config import HORIZONS
from models.release import Release
from models.serving.map_reader import MapReader
from models.serving.taste_path import follow_taste
from streamer.errors import QueryError
from streamer.wire.state import States
from streamer.wire.views_map import TasteOfHorizon, TastePath
from streamer.worker.what_if import remembered_plays


class MapReaders:
    """Reads the maps of releases; the latest reader is kept until the release changes."""

    def __init__(self) -> None:
        self._latest: tuple[Release, MapReader] | None = None

    def of(self, release: Release) -> MapReader:
        """Return the reader of a release.

        Raises:
            QueryError: it has no map.
        """
        if self._latest is None or self._latest[0] is not release:
            if release.track_map is None:
                raise no_map(release)
            self._latest = release, MapReader(release.recommender, release.track_map)
        return self._latest[1]


def no_map(release: Release) -> QueryError:
    """Say that a release has no map, and how to get one."""
    return QueryError(
        "no_map", f"release {release.release_id} has no map; its trainer made none, the next release will have one"
    )


def wander(user: str, states: States, release: Release, reader: MapReader) -> TastePath:
    """Follow the taste of a listener through the plays they are remembered by.

    Args:
        user: the user id.
        states: of this one listener.
        release: computes.
        reader: of its map.
    """
    plays = remembered_plays(states)
    is_of_release = bool(states.release_key[0] == release.key)
    tastes = follow_taste(release.recommender, plays, states.hidden if is_of_release else None)
    places = reader.places_of(tastes.flatten(0, 1)).reshape(*tastes.shape[:2], 2)
    first = int(states.plays_seen[0]) - plays.num_plays + 1
    covers_these = is_of_release and bool(states.plays_folded[0] == plays.num_plays)
    return TastePath(
        user_id=user,
        release=release.release_id,
        is_rebuilt=bool(plays.num_plays) and not covers_these,
        plays=tuple(np.arange(first, first + plays.num_plays).tolist()),
        horizons=tuple(
            TasteOfHorizon(HORIZONS[number], tuple((x, y) for x, y in points.tolist()))
            for number, points in enumerate(places)
        ),
    )
