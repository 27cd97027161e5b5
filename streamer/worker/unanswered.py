"""What a worker says while there is no release: plays are remembered and not answered, and what to run."""

import logging
import time
from collections.abc import Callable

from streamer.releases.first import FIRST_RELEASE
from streamer.runtime.reminders import Reminder

logger = logging.getLogger(__name__)


class Unanswered:
    """Says, in the log at long intervals, that nothing was released yet.

    Args:
        clock: seconds.

    Attributes:
        remark: for `/readyz`; empty once there is a release.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._reminder = Reminder(clock)
        self.remark = ""

    def look(self, *, has_release: bool) -> None:
        """Note whether a release answers, and say that there is none if that is due."""
        self.remark = "" if has_release else f"ok, but plays get no answers before the first release: {FIRST_RELEASE}"
        if not has_release and self._reminder.is_due():
            logger.warning("no release yet: plays are remembered, and get no answers; %s", FIRST_RELEASE)
