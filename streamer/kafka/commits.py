"""The group's commit of a partition: an offset, and how far the states were when it was made.

Outside tools (KEDA, Burrow) count the offsets behind a commit as lag, and transaction markers take offsets too. So a
commit lies behind the markers that follow the last play. Its note tells them from a commit that is ahead of the states
because the changelog was lost.
"""

import re
from typing import Final, NamedTuple

from aiokafka.structs import OffsetAndMetadata

_NOTE: Final = re.compile(r"mark=(-?\d+)")


class Commit(NamedTuple):
    """A commit.

    Attributes:
        offset: everything before it is done.
        mark: the progress mark was at least here when the commit was made.
    """

    offset: int
    mark: int

    @classmethod
    def read(cls, committed: OffsetAndMetadata) -> "Commit | None":
        """Read a commit; None if nothing is committed. Without a note it lies directly behind the mark."""
        if committed.offset < 0:
            return None
        note = _NOTE.fullmatch(committed.metadata or "")
        return cls(committed.offset, int(note[1]) if note else committed.offset - 1)

    def write(self) -> OffsetAndMetadata:
        """Return the offset with its note, as Kafka keeps them."""
        return OffsetAndMetadata(self.offset, f"mark={self.mark}")
