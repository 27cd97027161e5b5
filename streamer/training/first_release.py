"""What a trainer says while there is no release: how many plays and listeners it has for one, and needs."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from models.evaluation.age import span
from models.evaluation.panel import MIN_LISTENERS
from models.wording import plural
from streamer.archive.archive import Archive
from streamer.metrics import TrainerMetrics
from streamer.runtime.reminders import Reminder
from streamer.training.triggers import Thresholds
from streamer.wire.messages import ReleaseNotice

logger = logging.getLogger(__name__)

_NO_PLAYS: Final = "none has arrived, so look at the producers and at REFRAIN_PLAYS_TOPIC"


class FirstRelease:
    """Says, in the log at long intervals and in the metrics, what a first release still waits for.

    Args:
        thresholds: of the triggers.
        archive: of the plays.
        metrics: where it is shown.
        find_champion: asked until there is one.
        clock: seconds.
    """

    def __init__(
        self,
        thresholds: Thresholds,
        archive: Archive,
        metrics: TrainerMetrics,
        find_champion: Callable[[], Awaitable[ReleaseNotice | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._thresholds = thresholds
        self._archive = archive
        self._metrics = metrics
        self._find_champion = find_champion
        self._reminder = Reminder(clock)
        self._is_there = False
        self._num_listeners = 0
        metrics.plays_for_fit.set(thresholds.min_plays)

    async def look(self) -> None:
        """Note what a trainer without work waits for, and say it if that is due.

        Raises:
            KafkaError: Kafka cannot be reached.
        """
        if self._is_there:
            return
        is_due = self._reminder.is_due()
        if is_due:
            self._is_there = await self._find_champion() is not None
            self._num_listeners = await asyncio.to_thread(self._archive.count_listeners)
        num_new, num_needed = self._archive.num_new, self._thresholds.min_plays
        if is_due and not self._is_there:
            logger.info(
                "plays awaited num=%d of=%d listeners=%d of_listeners=%d: there is no release yet; %s",
                num_new, num_needed, self._num_listeners, MIN_LISTENERS, self._end_of_waiting(),
            )  # fmt: skip
        self._metrics.awaited = (
            "" if self._is_there else f"{num_new:,} of {plural(num_needed, 'play')} for the first release"
        )

    def has_come(self) -> None:
        """Note that there is a release."""
        self._is_there, self._metrics.awaited = True, ""

    def _end_of_waiting(self) -> str:
        if not self._archive.num_new:
            return _NO_PLAYS
        left_s = max(0.0, self._thresholds.max_wait_s - self._archive.since_fit_s)
        return (
            f"a fit starts once they are there (REFRAIN_TRAIN_MIN_PLAYS), and with fewer in {span(left_s)} "
            "(REFRAIN_TRAIN_MAX_WAIT_S)"
        )
