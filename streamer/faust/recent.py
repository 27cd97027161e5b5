"""What was written last to a partition's store, in memory, so that frequent listeners are not read from disk.

It holds nothing that the store does not hold: values are noted after they were written, in the same call.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from streamer.wire.changelog import Item

_NOTHING: Mapping[bytes, bytes | None] = MappingProxyType({})

#: Bytes that Python takes for a key, a value and their place, besides what is in them.
_OVERHEAD_BYTES = 200


class Recent:
    """The latest values, up to a number of bytes; those that were written longest ago go first.

    Args:
        max_bytes: of keys and values.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._values: dict[bytes, bytes | None] = {}  # None: deleted; in the order of the writes

    def known(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
        """Return the values of those keys that are known; None is deleted."""
        values = self._values
        return {key: values[key] for key in keys if key in values} if values else _NOTHING

    def note(self, items: Iterable[Item]) -> None:
        """Note what was written."""
        for key, value in items:
            self._forget(key)
            self._values[key] = value
            self._num_bytes += _size(key, value)
        while self._num_bytes > self._max_bytes:
            self._forget(next(iter(self._values)))

    def _forget(self, key: bytes) -> None:
        if key in self._values:
            self._num_bytes -= _size(key, self._values.pop(key))


def _size(key: bytes, value: bytes | None) -> int:
    return len(key) + len(value or b"") + _OVERHEAD_BYTES
