"""Damps what libraries log during an outage: the first line of each kind, then how often it was repeated.

aiokafka and Faust log every failed attempt. While Kafka is away that is a hundred lines a second and process, in which
an error of another kind would drown.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Final

#: Loggers whose lines are damped, with all below them.
_DAMPED: Final = ("aiokafka", "faust", "mode", "opentelemetry")

#: A line that was not repeated for this long is over; the next one of its kind is news.
QUIET_S: Final = 60.0

_PERIOD_S: Final = 5.0

_IS_SUMMARY: Final = "refrain_is_summary"

#: Numbers in a line (ports, node ids, offsets, addresses of objects) do not make it one of another kind.
_NUMBER: Final = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)*")


class Damping(logging.Filter):
    """Lets the first line of each kind through and counts the others, until there has been none for `QUIET_S`.

    Lines are of one kind if logger, level, text and exception are equal but for numbers. When a kind is over, a line
    says how often it was repeated.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        if record.name.partition(".")[0] not in _DAMPED or getattr(record, _IS_SUMMARY, False):
            return True
        now_s = self._clock()
        with self._lock:
            known = self._kinds.setdefault(_key(record), _Kind(record, now_s))
            is_first = known.record is record
            known.num_repeated += not is_first
            known.last_s = now_s
        return is_first

    def settle(self) -> None:
        """Write how often each kind that is over was repeated."""
        now_s = self._clock()
        with self._lock:
            over = {key: kind for key, kind in self._kinds.items() if now_s - kind.last_s >= QUIET_S}
            for key in over:
                del self._kinds[key]
        for kind in over.values():
            kind.summarise()

    def settle_forever(self) -> None:
        """Settle every few seconds, in a thread of its own: an event loop may be what is stuck."""
        threading.Thread(target=self._run, name="damping", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(_PERIOD_S)
            self.settle()


class _Kind:
    """One kind of line: its first record, and how often and when it was repeated."""

    def __init__(self, record: logging.LogRecord, now_s: float) -> None:
        self.record = record
        self.num_repeated = 0
        self.last_s = self._first_s = now_s

    def summarise(self) -> None:
        if self.num_repeated:
            logging.getLogger(self.record.name).log(
                self.record.levelno, "repeated %d times in %.0f s: %s",
                self.num_repeated, self.last_s - self._first_s, self.record.getMessage(),
                extra={_IS_SUMMARY: True},
            )  # fmt: skip


def _key(record: logging.LogRecord) -> tuple[str, ...]:
    error = repr(record.exc_info[1]) if record.exc_info else ""
    return (record.name, record.levelname, _NUMBER.sub("N", record.getMessage()), _NUMBER.sub("N", error))
