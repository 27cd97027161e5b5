"""What calls for a fit: new plays, time, a fit that was cut off, or a champion that answers worse than it did."""

from dataclasses import dataclass
from enum import StrEnum

from streamer.archive.archive import Archive


class Trigger(StrEnum):
    """Why a fit begins."""

    RESUMED = "resumed"
    PLAYS = "plays"
    TIME = "time"
    DRIFT = "drift"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much is enough.

    Attributes:
        min_plays: new plays that call for a fit.
        max_wait_s: seconds since the latest fit, after which any new play does.
        drift_plays: new plays after which the champion's live hit rate is measured; a sure fall calls for a fit.
    """

    min_plays: int
    max_wait_s: float
    drift_plays: int

    def due(self, archive: Archive) -> Trigger | None:
        """Say what calls for a fit, without looking at the champion."""
        if archive.fitting is not None:
            return Trigger.RESUMED
        if archive.num_new >= self.min_plays:
            return Trigger.PLAYS
        if archive.num_new and archive.since_fit_s >= self.max_wait_s:
            return Trigger.TIME
        return None

    def calls_for_a_look(self, archive: Archive, num_looked_at: int) -> bool:
        """Say whether the champion's live hit rate is to be measured again.

        Args:
            archive: of the plays.
            num_looked_at: plays ever archived when it was measured last.
        """
        return archive.num_new >= self.drift_plays and archive.num_appended - num_looked_at >= self.drift_plays
