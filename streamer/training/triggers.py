"""Triggers of a fit: new plays, time, an interrupted fit, or a champion that answers worse than it did."""

from dataclasses import dataclass
from enum import StrEnum

from streamer.archive.archive import Archive


class Trigger(StrEnum):
    """Why a fit starts."""

    RESUMED = "resumed"
    PLAYS = "plays"
    TIME = "time"
    DRIFT = "drift"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of the triggers.

    Attributes:
        min_plays: new plays that trigger a fit.
        max_wait_s: seconds since the latest fit after which any new play triggers one.
        drift_plays: new plays after which the champion's live hit rate is measured; a significant fall triggers a fit.
    """

    min_plays: int
    max_wait_s: float
    drift_plays: int

    def due(self, archive: Archive) -> Trigger | None:
        """Find the trigger of a fit, if any, without measuring the champion."""
        if archive.fitting is not None:
            return Trigger.RESUMED
        if archive.num_new >= self.min_plays:
            return Trigger.PLAYS
        if archive.num_new and archive.since_fit_s >= self.max_wait_s:
            return Trigger.TIME
        return None

    def calls_for_a_look(self, archive: Archive, num_looked_at: int) -> bool:
        """Check whether the champion's live hit rate should be measured again.

        Args:
            archive: of the plays.
            num_looked_at: plays ever archived at the latest measurement.
        """
        return archive.num_new >= self.drift_plays and archive.num_appended - num_looked_at >= self.drift_plays
