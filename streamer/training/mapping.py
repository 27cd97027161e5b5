"""Mapping the tracks of a release, which goes without a map rather than not at all."""

import logging

from models.release import Release
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training.loop import Progress, ReportProgress
from models.training.shards import Shards
from models.training.track_mapping import count_plays, map_tracks
from streamer.training.progress import FitStopped

logger = logging.getLogger(__name__)


def map_if_possible(
    recommender: Recommender, shards: Shards, earlier: Release | None, progress: ReportProgress
) -> TrackMap | None:
    """Map the tracks of a recommender; None if that fails, and the log says why.

    Args:
        recommender: of the release.
        shards: the plays, read once to count them.
        earlier: the release whose map the new one should look like.
        progress: called after every step, and may end the fit.

    Raises:
        FitStopped: the fit should end.
    """

    def report(step: int, num_steps: int) -> None:
        progress(Progress(0, 0, step, num_steps, float("nan"), "map"))

    try:
        return map_tracks(recommender, count_plays(shards, recommender.catalogue), earlier, report=report)
    except FitStopped:
        raise
    except Exception as exc:  # noqa: BLE001  people look at a map; listeners wait for the release
        logger.warning("no map of the tracks; the release goes without: %s: %s", type(exc).__name__, exc)
        return None
