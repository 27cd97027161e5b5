"""From a recommender's item vectors to a map of its tracks, like the map of the release before.

At most MAX_PLACED tracks have a place, the most played ones. A million points would show no more and take ten times as
long to send and to draw. A track beyond them could only be put between neighbours that have a place already, where it
would say nothing that they do not say.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK, UNKNOWN, Catalogue
from models.release import Release
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training.layout import ReportSteps, ignore_steps, lay_out
from models.training.shards import Shards
from models.training.track_groups import NO_GROUP, assign, group_tracks

MAX_PLACED: Final = 100_000

_GRID: Final = 1 << 16  # steps from 0 to 1: nobody sees more, and the zero bits behind them compress
_SLACK: Final = 1.15  # by how much a layout may shrink before the picture follows


def count_plays(shards: Shards, catalogue: Catalogue) -> NDArray[np.int64]:
    """Count the plays of each track of a catalogue: int64 (M,)."""
    counts = np.zeros(len(catalogue) + FIRST_TRACK, np.int64)
    for shard in shards:
        counts += np.bincount(catalogue.rows(shard.histories.track_keys), minlength=len(counts))
    return counts[FIRST_TRACK:]


def map_tracks(
    recommender: Recommender,
    plays: NDArray[np.int64],
    earlier: Release | None = None,
    *,
    max_placed: int = MAX_PLACED,
    report: ReportSteps = ignore_steps,
) -> TrackMap:
    """Map the tracks of a recommender.

    Args:
        recommender: its item vectors say what is similar.
        plays: int64 (M,), of each track.
        earlier: the release before; where it has a map, tracks stay about where they were, in the same groups.
        max_placed: tracks that have a place, at most.
        report: as in `lay_out`.
    """
    items: NDArray[np.float32] = recommender.items.cpu().numpy()
    placed = np.sort(np.argsort(-plays, kind="stable")[:max_placed])
    before = None if earlier is None else _of_tracks(earlier, recommender.catalogue)
    vectors = items[placed]
    start, groups = (None, None) if before is None else (before[0][placed], before[1][placed])
    layout = lay_out(vectors, start, report)
    extent = _extent(float(np.abs(layout).max(initial=0)), earlier)
    places = np.full((len(items), 2), np.nan, np.float32)
    places[placed] = np.round(layout / extent * _GRID) / _GRID
    weights = np.log1p(plays) / max(float(np.log1p(plays.max(initial=0))), 1.0)
    return TrackMap(
        places=places,
        groups=assign(items, group_tracks(vectors, groups)),
        weights=np.round(255 * weights).astype(np.uint8),
        extent=np.array(extent, np.float32),
    )


def _of_tracks(earlier: Release, catalogue: Catalogue) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """Return the places of a catalogue's tracks on an earlier map, in units of the layout, and their groups."""
    if earlier.track_map is None:
        return None
    rows = earlier.catalogue.rows(catalogue.keys)
    is_known, tracks = rows != UNKNOWN, np.maximum(rows - FIRST_TRACK, 0)
    places = earlier.track_map.places[tracks] * earlier.track_map.extent
    places[~is_known] = np.nan
    return places, np.where(is_known, earlier.track_map.groups[tracks].astype(np.int64), NO_GROUP)


def _extent(largest: float, earlier: Release | None) -> float:
    """Return what the border of the map is worth: as before if the layout about fills it, so that the picture stays."""
    before = float(earlier.track_map.extent) if earlier is not None and earlier.track_map is not None else 0.0
    return before if before / _SLACK <= largest <= before else max(largest, 1e-6)
