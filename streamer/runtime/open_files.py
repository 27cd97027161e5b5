"""The limit of open files: raised as far as the system allows, because each partition takes files and connections."""

import logging
import resource
from typing import Final

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
    highest = _ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    needed = _FILES + _FILES_PER_PARTITION * num_partitions
    if highest < needed:
        logger.warning(
            "this process may open %d files, but %d partitions take up to %d: raise the limit (`ulimit -Hn`, "
            "LimitNOFILE of systemd, default-ulimits of Docker), or run more workers",
            highest, num_partitions, needed,
        )  # fmt: skip
