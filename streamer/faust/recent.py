"""What was written last to a partition's store, in memory, so that frequent listeners are not read from disk.

It holds nothing that the store does not hold: values are noted after they were written, in the same call.
"""

from collections.abc import Collection, Sequence

from streamer.wire.changelog import Item

#: Bytes that Python takes for a key, a value and their place, besides what is in them.
_OVERHEAD_BYTES = 200


class Recent:
    """The latest values, up to a number of bytes, in two generations: when the younger is full, it becomes the older.

    So what was written longest ago goes first, half of everything at a time, and a write costs no more than an entry.

    Args:
        max_bytes: of keys and values.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes // 2  # of a generation
        self._num_bytes = 0  # noted in the younger one
        self._young: dict[bytes, bytes | None] = {}  # None: deleted
        self._old: dict[bytes, bytes | None] = {}

    def known(self, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Return the values of those keys that are known; None is deleted."""
        young, old = self._young, self._old
        known = {key: old[key] for key in keys if key in old} if old else {}
        known.update({key: young[key] for key in keys if key in young})
        return known

    def note(self, items: Collection[Item]) -> None:
        """Note what was written."""
        num_bytes = sum([len(key) + len(value or b"") for key, value in items]) + _OVERHEAD_BYTES * len(items)
        if num_bytes > self._max_bytes:
            self._young, self._old, self._num_bytes = {}, {}, 0
            return
        if self._num_bytes + num_bytes > self._max_bytes:
            self._young, self._old, self._num_bytes = {}, self._young, 0
        self._young.update(items)
        self._num_bytes += num_bytes
