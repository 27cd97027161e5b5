"""What was written last to a partition's store, in memory, so that frequent listeners are not read from disk.

It holds nothing that the store does not hold: values are noted after they were written, in the same call.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from streamer.wire.changelog import Item

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
        self._values: OrderedDict[bytes, bytes | None] = OrderedDict()  # None: deleted; in the order of the writes

    def known(self, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Return the values of those keys that are known; None is deleted."""
        values = self._values
        return {key: values[key] for key in keys if key in values}

    def note(self, items: Iterable[Item]) -> None:
        """Note what was written."""
        latest, values = dict(items), self._values
        replaced = {key: values.pop(key) for key in latest if key in values}
        values.update(latest)
        self._num_bytes += _size(latest) - _size(replaced)
        while self._num_bytes > self._max_bytes:
            self._num_bytes -= _size(dict([values.popitem(last=False)]))


def _size(values: Mapping[bytes, bytes | None]) -> int:
    return sum(map(len, values)) + sum(map(len, filter(None, values.values()))) + _OVERHEAD_BYTES * len(values)
