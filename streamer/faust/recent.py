"""What was written last to a partition's store, in memory, so that frequent listeners are not read from disk.

It holds nothing that the store does not hold: values are noted after they were written, in the same call.

Each look at a key that was not used lately waits for memory. So a write only puts its values in place: neither are keys
moved, nor are the bytes counted that it replaces. Once as many bytes have been written as there is room for, what is
there is counted.
"""

from collections.abc import Collection, Sequence
from typing import Final

from streamer.wire.changelog import Item

#: Bytes that Python takes for a key, a value and their place, besides what is in them.
_OVERHEAD_BYTES: Final = 200

#: Share of the room that is left after counting: the rest is for what is written until the next time.
_KEPT: Final = 0.75


class Recent:
    """The latest values of keys, up to a number of bytes; keys that came first go first, even if written again since.

    Args:
        max_bytes: of keys and values.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._most_bytes = 0  # there are no more
        self._values: dict[bytes, bytes | None] = {}  # None: deleted; in the order in which the keys came

    def look_up(self, keys: Sequence[bytes]) -> tuple[list[bytes | None], list[int]]:
        """Return the values of keys, None for a deleted one, and the places of those that are not known."""
        values = list(map(self._values.get, keys))
        unknown = [place for place, value in enumerate(values) if value is None and keys[place] not in self._values]
        return values, unknown

    def note(self, items: Collection[Item]) -> None:
        """Note what was written."""
        self._values.update(items)
        self._most_bytes += sum(_size(*item) for item in items)
        if self._most_bytes > self._max_bytes:
            self._forget()

    def _forget(self) -> None:
        """Count the bytes, and drop keys until the rest fits; they are dropped after the last look at the oldest."""
        self._most_bytes = sum(_size(*item) for item in self._values.items())
        oldest = []
        for key, value in self._values.items():
            if self._most_bytes <= _KEPT * self._max_bytes:
                break
            self._most_bytes -= _size(key, value)
            oldest.append(key)
        for key in oldest:
            del self._values[key]


def _size(key: bytes, value: bytes | None) -> int:
    return len(key) + len(value or b"") + _OVERHEAD_BYTES
