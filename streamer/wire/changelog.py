"""The keys of the changelog and of the store beneath it, and the progress mark that stands among the states.

Every key begins with a byte for its kind, so no user id can collide with the mark or with a key of Faust's own.
"""

import struct
from dataclasses import dataclass
from typing import Final

KIND_MARK: Final = b"\x00"
KIND_LISTENER: Final = b"\x01"

#: Key of a partition's one progress mark.
MARK_KEY: Final = KIND_MARK

_MARK: Final = struct.Struct("<Bqq")
_MARK_VERSION: Final = 1


#: Keys and values as they go to the changelog; None deletes.
Item = tuple[bytes, bytes | None]


def listener_key(user_id: bytes) -> bytes:
    """Return the key under which the state of a listener stands."""
    return KIND_LISTENER + user_id


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a partition has come: everything at or below it is done, whoever it belonged to.

    Attributes:
        offset: the last source offset covered.
        timestamp_ms: the Kafka timestamp of that record, by which a topic made anew is recognised.
    """

    offset: int
    timestamp_ms: int

    def encode(self) -> bytes:
        """Write the mark as a changelog value."""
        return _MARK.pack(_MARK_VERSION, self.offset, self.timestamp_ms)

    @classmethod
    def decode(cls, value: bytes) -> "Mark":
        """Read a mark.

        Raises:
            ValueError: the value is none of this version.
        """
        if len(value) != _MARK.size or value[0] != _MARK_VERSION:
            raise ValueError(f"a progress mark of format version {value[:1].hex()} and {len(value)} bytes is unknown")
        _, offset, timestamp_ms = _MARK.unpack(value)
        return cls(offset, timestamp_ms)


#: Before the first play of a partition.
NO_MARK: Final = Mark(-1, -1)
