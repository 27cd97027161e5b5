"""The limit of open files: raised as far as the system allows, because each partition takes files and connections."""

import logging
import resource
from typing import Final

from models.wording import plural

logger = logging.getLogger(__name__)

#: More helps nobody, and some systems say "unlimited".
_ENOUGH: Final = 1 << 20

#: Of the process itself, and of each partition that it owns: 9 when its store is new, measured with 200 partitions.
_FILES: Final = 200
_FILES_PER_PARTITION: Final = 20


def raise_open_files(num_partitions: int) -> None:
    """Raise the soft limit to the hard one; warn if it does not suffice for a worker that owns every partition.

    Args:
        num_partitions: of the plays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = _highest(hard)
    if soft != resource.RLIM_INFINITY and soft < highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    if shortage := find_shortage(num_partitions):
        logger.warning("few open files: %s", shortage)


def find_shortage(num_partitions: int) -> str:
    """Say that a process may not open as many files as a worker that owns every partition; empty if it may."""
    highest = _highest(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    needed = _FILES + _FILES_PER_PARTITION * num_partitions
    if highest >= needed:
        return ""
    return (
        f"this process may open {highest} files, but {plural(num_partitions, 'partition takes', 'partitions take')} "
        f"up to {needed}: raise the limit (`ulimit -Hn`, LimitNOFILE of systemd, default-ulimits of Docker), or "
        "run more workers"
    )


def _highest(hard: int) -> int:
    return _ENOUGH if hard == resource.RLIM_INFINITY else hard
