"""The exit statuses, which mean the same in every command."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Status(IntEnum):
    """An exit status of a command."""

    DONE = 0
    FAILED = 1
    MISUSED = 2
    REFUSED = 3
    UNREACHABLE = 4
    CRASHED = 70
    INTERRUPTED = 130
    TERMINATED = 143


#: A process that ends so ends so again: whoever watches over it leaves it to an operator.
UNCHANGED_BY_RESTART: Final = frozenset({Status.MISUSED, Status.REFUSED})

MEANINGS: Final[Mapping[Status, str]] = {
    Status.DONE: "done; a worker or a trainer ends with it after SIGTERM or SIGINT",
    Status.FAILED: "the command could not do it, and the last line on stderr says why; or nothing was released "
    "(trainer --once), a play was lost or repeated (demo, replay), figures differ (report --check), a letter was not "
    "sent (dead-letters send-again), or no worker answered in time (forget)",
    Status.MISUSED: "wrong arguments or settings, or a package is not installed; nothing was started",
    Status.REFUSED: "refused: a restart changes nothing, an operator must act; or a check has failed (doctor)",
    Status.UNREACHABLE: "Kafka does not answer; try again later",
    Status.CRASHED: "a process ended itself because an outcome was unknown, a background task failed, it could not "
    "stop in time, or there is an error in Refrain, with its traceback in the log; a restart recovers",
    Status.INTERRUPTED: "interrupted by SIGINT; train continues from its checkpoint when it is run again",
    Status.TERMINATED: "interrupted by SIGTERM; likewise",
}
