"""The keys of withdrawn tracks: worked out from all records of the catalogue, and changed by later ones."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from models.plays.catalogue import track_key
from streamer.wire.catalogue import Entry

_OFFSET_BITS: Final = 48


class Said(NamedTuple):
    """What a record says of a track.

    Attributes:
        key: of the track.
        written_at_ms: Kafka's timestamp.
        place: orders the records of a topic; those of a partition by offset.
        withdraws: whether the track leaves the lists.
    """

    key: int
    written_at_ms: int
    place: int
    withdraws: bool


def said_by(record: "ConsumerRecord[bytes, bytes]", entry: Entry) -> Said:
    """Return what a record says of the track that its entry names."""
    place = record.partition << _OFFSET_BITS | record.offset
    return Said(track_key(entry.track_id), record.timestamp, place, entry.withdraws)


class Backlog:
    """Collects all records of a topic, 25 bytes each, until each track's newest can be found.

    Args:
        by_time: whether Kafka's timestamps order them, as they do where a track may be in several partitions; in one
            partition, the offset does, whatever its producers' clocks say.
    """

    def __init__(self, *, by_time: bool) -> None:
        self._by_time = by_time
        self._parts: list[tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.bool_]]] = []

    def add(self, said: Sequence[Said]) -> None:
        """Add records."""
        keys = np.fromiter((each.key for each in said), np.uint64, len(said))
        order = np.array([(each.written_at_ms if self._by_time else 0, each.place) for each in said], np.int64)
        self._parts.append((keys, order.reshape(-1, 2), np.fromiter((each.withdraws for each in said), np.bool_)))

    def withdrawn(self) -> NDArray[np.uint64]:
        """Return the keys of the tracks whose newest record withdraws them, uint64 (W,), rising."""
        if not self._parts:
            return np.empty(0, np.uint64)
        keys, order, withdraws = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        places = np.lexsort((order[:, 1], order[:, 0], keys))
        keys, withdraws = keys[places], withdraws[places]
        is_newest = np.ones(len(keys), np.bool_)
        is_newest[:-1] = keys[1:] != keys[:-1]
        return np.asarray(keys[is_newest & withdraws])


def changed(keys: NDArray[np.uint64], is_withdrawn: Mapping[int, bool]) -> NDArray[np.uint64]:
    """Add the keys of tracks that are withdrawn, and drop those of tracks that are back.

    Args:
        keys: uint64 (W,), rising.
        is_withdrawn: by key.

    Returns:
        The same array if nothing changes, else another one that rises.
    """
    named = np.sort(np.fromiter(is_withdrawn, np.uint64, len(is_withdrawn)))
    added = np.fromiter((is_withdrawn[key] for key in named.tolist()), np.bool_, len(named))
    places = np.searchsorted(keys, named)
    held = np.zeros(len(named), np.bool_)
    within = places < len(keys)
    held[within] = keys[places[within]] == named[within]
    if (held == added).all():
        return keys
    kept, new = np.delete(keys, places[held & ~added]), named[added & ~held]
    return np.insert(kept, np.searchsorted(kept, new), new)
