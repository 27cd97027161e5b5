"""The keys of the changelog and of the store that copies it, and what is stored among the states: mark and count.

Every key starts with a byte for its kind, so no user id can collide with mark or count or with one of Faust's own keys.
"""

import struct
from dataclasses import dataclass
from typing import Final

KIND_MARK: Final = b"\x00"
KIND_LISTENER: Final = b"\x01"
KIND_COUNT: Final = b"\x02"

#: Key of a partition's only progress mark.
MARK_KEY: Final = KIND_MARK

#: Key of the number of listeners who have a state in a partition; absent if none ever had one, or if an earlier
#: build wrote the states.
COUNT_KEY: Final = KIND_COUNT

_MARK: Final = struct.Struct("<Bqq")
_MARK_VERSION: Final = 1

_COUNT: Final = struct.Struct("<Bq")
_COUNT_VERSION: Final = 1

#: The timestamp of a record that has none, as Kafka writes it, or is gone.
UNKNOWN_MS: Final = -1

#: A key and its value, as written to the changelog; None deletes.
Item = tuple[bytes, bytes | None]


def listener_key(user_id: bytes) -> bytes:
    """Return the key of a listener's state."""
    return KIND_LISTENER + user_id


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a partition has come: every play at or below it is done, whichever worker did it.

    Attributes:
        offset: the last source offset covered.
        timestamp_ms: the Kafka timestamp of that record, which gives away a recreated topic; UNKNOWN_MS does not.
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
            ValueError: the value is not a mark of this version.
        """
        offset, timestamp_ms = _unpack(value, _MARK, _MARK_VERSION, "a progress mark")
        return cls(offset, timestamp_ms)


#: The mark before the first play of a partition.
NO_MARK: Final = Mark(-1, UNKNOWN_MS)


def encode_count(num_listeners: int) -> bytes:
    """Write the number of a partition's listeners as a changelog value."""
    return _COUNT.pack(_COUNT_VERSION, num_listeners)


def decode_count(value: bytes) -> int:
    """Read the number of a partition's listeners.

    Raises:
        ValueError: the value is not a count of this version.
    """
    (num_listeners,) = _unpack(value, _COUNT, _COUNT_VERSION, "a count of listeners")
    return num_listeners


def _unpack(value: bytes, layout: struct.Struct, version: int, what: str) -> tuple[int, ...]:
    """Return the numbers behind the version byte of a value."""
    if len(value) != layout.size or value[0] != version:
        raise ValueError(
            f"{what} has format version {value[:1].hex()} and {len(value)} bytes, which this worker does not know: run "
            "the version that wrote it"
        )
    return layout.unpack(value)[1:]
