"""Reminders: a state that lasts is said at once, again after ten minutes, and then every hour."""

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Final

_WAITS_S: Final = (0.0, 600.0)
_LATER_S: Final = 3600.0


class Reminder:
    """Says when to say something again.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waits_s: Iterator[float] = chain(_WAITS_S, repeat(_LATER_S))
        self._due_s = clock() + next(self._waits_s)

    def is_due(self) -> bool:
        """Whether to say it now; the next time is counted from here."""
        now_s = self._clock()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + next(self._waits_s)
        return True
