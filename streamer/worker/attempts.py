"""Attempts to take up a release: when the next one is due, and what is logged of them, a line for each change."""

import logging
from collections.abc import Mapping
from typing import Final

from streamer.errors import ReleaseError, StoreError
from streamer.releases.loading import NoticeError

logger = logging.getLogger(__name__)

RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 300.0  # a store that was away for long is found again this late at most


class Attempts:
    """The attempts since the latest notice.

    Attributes:
        trouble: why the newest release cannot be taken up; empty if it was, or if there is none.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._num_failed = 0
        self._due_s = 0.0
        self._logged: Mapping[int, str] = {}

    def begin_again(self) -> None:
        """Try at once, and soon again: there is another notice."""
        self._num_failed, self._due_s = 0, 0.0

    def due_in_s(self, now_s: float) -> float:
        """Return how long to wait for the next attempt."""
        return max(0.0, self._due_s - now_s)

    def note(self, errors: Mapping[int, ReleaseError], now_s: float, *, is_current: bool) -> None:
        """Record the outcome of an attempt.

        Args:
            errors: by the offset of the notice, newest first.
            now_s: the clock.
            is_current: the newest release was taken up, or there is none.
        """
        sorts = {offset: _sort(error) for offset, error in errors.items()}
        for offset, error in errors.items():
            if self._logged.get(offset) != sorts[offset]:
                is_refused = isinstance(error, NoticeError)
                logger.error("notice refused: %s" if is_refused else "release not taken up, trying again: %s", error)
        self._logged = sorts
        if is_current:
            self.trouble = ""
        elif errors:
            self.trouble = str(next(iter(errors.values())))
        self._due_s = now_s + min(RETRY_S * 2**self._num_failed, MAX_RETRY_S)
        self._num_failed += 1


def _sort(error: ReleaseError) -> str:
    """Tell sorts of errors apart; what a store says may contain the number of a request."""
    if not isinstance(error, StoreError) or error.__cause__ is None:
        return str(error)
    return f"{type(error).__name__} {type(error.__cause__.__cause__).__name__}"
