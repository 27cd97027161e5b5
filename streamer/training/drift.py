"""Drift: whether the champion answers worse than it did when it was released."""

import logging

import numpy as np
from numpy.typing import NDArray

from models.evaluation.live import has_fallen
from models.evaluation.metrics import Estimate
from models.release import Release
from streamer.archive.archive import Archive
from streamer.metrics import TrainerMetrics
from streamer.training.comparison import LIVE_CONTEXT_PLAYS, LIVE_PLAYS, measure_live
from streamer.training.triggers import Thresholds

logger = logging.getLogger(__name__)


class DriftWatch:
    """Measures the champion's live hit rate each time enough new plays have arrived.

    Args:
        thresholds: how many plays are enough.
        archive: of the plays.
        metrics: where the rate is reported.
    """

    def __init__(self, thresholds: Thresholds, archive: Archive, metrics: TrainerMetrics) -> None:
        self._thresholds = thresholds
        self._archive = archive
        self._metrics = metrics
        self._num_looked_at = 0

    def claim_look(self) -> bool:
        """Check whether a measurement is due; if so, count the new plays towards the next one from here."""
        if not self._thresholds.calls_for_a_look(self._archive, self._num_looked_at):
            return False
        self._num_looked_at = self._archive.num_appended
        return True

    def has_drifted(self, champion: Release, withdrawn: NDArray[np.uint64]) -> bool:
        """Measure the champion's rate on the newest plays; check whether it has fallen significantly since its release.

        Blocks for seconds.

        Args:
            champion: the release that answers.
            withdrawn: uint64 (W,), keys of tracks that no list may hold.
        """
        plays = self._archive.read_newest(LIVE_CONTEXT_PLAYS)
        judged = np.arange(len(plays))[-min(LIVE_PLAYS, self._archive.num_new) :]
        now = measure_live(champion.recommender.without_keys(withdrawn), plays, judged, withdrawn)
        if now is None:
            return False
        self._metrics.live_hit_rate.set(now.mean)
        then = _rate_at_release(champion)
        if then is None:
            return False
        self._metrics.hit_rate_at_release.set(then.mean)
        logger.info(
            "live hit rate measured rate=%.4f low=%.4f high=%.4f at_release=%.4f",
            now.mean,
            now.low,
            now.high,
            then.mean,
        )
        return has_fallen(then, now)


def _rate_at_release(champion: Release) -> Estimate | None:
    """Read the live hit rate that the champion's trainer measured; None if it measured none."""
    rate = champion.metrics.get("live_hit_rate")
    if not isinstance(rate, dict):
        return None
    return Estimate(**{name: float(str(rate[name])) for name in ("mean", "low", "high")})
