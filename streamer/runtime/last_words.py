"""The last words of a process: why it crashed, kept in its directory, so that the next start can show it.

A process that ended without a word was killed: by the kernel because memory ran out, by a power cut, or by SIGKILL.
"""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from streamer.errors import RefrainError
from streamer.runtime.crash import logger as crashes

logger = logging.getLogger(__name__)

#: The cause of an end without last words.
KILLED: Final = "killed"

_NAME: Final = "last-words.json"
_MAX_CHARACTERS: Final = 500

#: Seconds that a crash waits for the disk; it takes a millisecond.
_LIMIT_S: Final = 0.2

#: What distinguishes two crashes of one cause, or follows it: offsets, seconds, remedies.
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_END_OF_CAUSE: Final = re.compile(r"[;,:(]")


class Past(msgspec.Struct, frozen=True):
    """How the runs of a process have ended.

    Attributes:
        ended: how the latest did, unless it is still running.
        num_crashes: by cause.
        last_at_s: when it last crashed, seconds since the epoch; None: never.
        last_message: what it said then.
    """

    ended: Literal["running", "crashed", "stopped"] = "stopped"
    num_crashes: dict[str, int] = {}
    last_at_s: float | None = None
    last_message: str = ""


class LastWords(logging.Handler):
    """Writes down what the process says when it crashes.

    Args:
        path: of the file.
        clock: seconds since the epoch.

    Attributes:
        past: how the runs before this one have ended.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(logging.CRITICAL)
        self._path = path
        self._clock = clock
        self.past = _read(path)
        if self.past.ended == "running":
            self.past = self._crashed(KILLED, "the process ended without a word")
        if self.past.ended == "crashed":
            cause = next(reversed(self.past.num_crashes))
            logger.warning("the last run crashed cause=%s: %s", cause, self.past.last_message)
        self._write(msgspec.structs.replace(self.past, ended="running"))

    def emit(self, record: logging.LogRecord) -> None:
        """Count a crash; neither an error nor a disk that hangs may keep the process from ending."""
        try:
            past = self._crashed(_cause(record), record.getMessage())
            writing = threading.Thread(target=self._write, args=(past,), daemon=True)
            writing.start()
            writing.join(_LIMIT_S)
        except Exception:  # noqa: BLE001  whatever it is, the process ends now
            self.handleError(record)

    def note(self, error: Exception) -> None:
        """Count an error that ends the process in an orderly way."""
        self._write(self._crashed(type(error).__name__, str(error)))

    def stop(self) -> None:
        """Note that the process was asked to stop: what ends it from here on is no crash."""
        self._write(msgspec.structs.replace(self.past, ended="stopped"))

    def _crashed(self, cause: str, message: str) -> Past:
        num_crashes = {**self.past.num_crashes}
        num_crashes[cause] = num_crashes.pop(cause, 0) + 1  # the latest cause comes last
        return Past("crashed", num_crashes, self._clock(), message[:_MAX_CHARACTERS])

    def _write(self, past: Past) -> None:
        unfinished = self._path.with_name(f"{_NAME}.new")
        with contextlib.suppress(OSError, ValueError):  # the disk may be what it crashes of, or a message no Unicode
            unfinished.write_bytes(msgspec.json.encode(past))
            unfinished.rename(self._path)  # not flushed, which may take seconds: after a power cut, counts begin again


@contextmanager
def keep_last_words(directory: Path, clock: Callable[[], float] = time.time) -> Iterator[LastWords]:
    """Count crashes in a directory, which this process holds, while the context lasts.

    Raises:
        Exception: what the context raises; a crash, unless it is a RefrainError, which asks for an operator.
    """
    words = LastWords(directory / _NAME, clock)
    crashes.addHandler(words)
    try:
        yield words
    except RefrainError:
        words.stop()
        raise
    except Exception as exc:
        words.note(exc)
        raise
    else:
        words.stop()
    finally:
        crashes.removeHandler(words)


def _read(path: Path) -> Past:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Past)
    except (OSError, ValueError):  # there is none yet, or a power cut has damaged it: counts begin again
        return Past()


def _cause(record: logging.LogRecord) -> str:
    """Name the cause of a crash by its exception, or by what it says without numbers and remedy."""
    if record.exc_info and record.exc_info[1] is not None:
        return type(record.exc_info[1]).__name__
    kind, _, reason = record.getMessage().partition(": ")
    return kind if kind == "refused" else _NUMBER.sub("N", _END_OF_CAUSE.split(reason)[0])
