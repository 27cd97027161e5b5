"""The events of a batch as columns, partition by partition, and their listeners."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from streamer.wire.changelog import listener_key
from streamer.wire.plays import PlayColumns


@dataclass(frozen=True, slots=True)
class Events:
    """The n accepted events of a batch, partition by partition, in the order of their offsets.

    Attributes:
        listener: int64 (n,), the number of the listener in the batch; a listener is a user id in one partition.
        offsets: int64 (n,), source offsets.
        track_keys: uint64 (n,).
        played_at_ms: int64 (n,).
        contexts: uint8 (n,).
        skipped: bool (n,).
        forgets: bool (n,), tombstones.
    """

    listener: NDArray[np.int64]
    offsets: NDArray[np.int64]
    track_keys: NDArray[np.uint64]
    played_at_ms: NDArray[np.int64]
    contexts: NDArray[np.uint8]
    skipped: NDArray[np.bool_]
    forgets: NDArray[np.bool_]

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Events":
        """Return the events at `index`."""
        return Events(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Listeners:
    """The L listeners of a batch, partition by partition, in the order of their first event.

    Attributes:
        users: their ids in UTF-8.
        state_keys: of their states, in changelog and store.
        bounds: int64 (partitions + 1,), the listeners of each partition.
    """

    users: list[bytes]
    state_keys: list[bytes]
    bounds: NDArray[np.int64]


def join(columns: Sequence[PlayColumns], offsets: Sequence[NDArray[np.int64]]) -> tuple[Events, Listeners]:
    """Concatenate the accepted events of the partitions, and number their listeners.

    Args:
        columns: the events of each partition.
        offsets: their source offsets, int64, each array as long as its columns.
    """
    users: list[bytes] = []
    bounds = [0]
    numbers: list[int] = []
    for plays in columns:
        index: dict[bytes, int] = {}
        first = len(users)
        numbers += [first + index.setdefault(user, len(index)) for user in plays.users]
        users += index
        bounds.append(len(users))
    events = Events(
        listener=np.array(numbers, np.int64),
        offsets=np.concatenate(offsets),
        **{
            name: np.concatenate([getattr(plays, name) for plays in columns])
            for name in ("track_keys", "played_at_ms", "contexts", "skipped", "forgets")
        },
    )
    return events, Listeners(users, list(map(listener_key, users)), np.array(bounds, np.int64))
