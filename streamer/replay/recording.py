"""A recording of plays as it is sent: the order, the partitions, and the offsets the plays will have."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.plays.histories import bounds_of
from models.plays.split import Split
from streamer.kafka.partitioner import PARTITIONERS
from streamer.recordings.plays import RecordedPlays


@dataclass(frozen=True, slots=True)
class Recording:
    """P plays of B listeners; a play's place is its index in the stream, which is sorted by listener, then time.

    Attributes:
        users: the listeners' ids in UTF-8, by number.
        track_fragments: the ids of the tracks as JSON.
        listeners: int64 (P,), by place.
        tracks: int64 (P,), by place, indices into `track_fragments`.
        played_at_ms: int64 (P,), by place.
        partitions: int64 (P,), by place.
        order: int64 (P,), the places in the order of sending: by time, each listener's own order kept.
        by_partition: int64 (P,), the places partition by partition, each in the order of sending.
        bounds: int64 (partitions + 1,), of the partitions in `by_partition`.
    """

    users: Sequence[bytes]
    track_fragments: Sequence[bytes]
    listeners: NDArray[np.int64]
    tracks: NDArray[np.int64]
    played_at_ms: NDArray[np.int64]
    partitions: NDArray[np.int64]
    order: NDArray[np.int64]
    by_partition: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, recorded: RecordedPlays, split: Split, num_partitions: int) -> "Recording":
        """Lay out the plays of a split for a topic without other producers."""
        plays, listeners = recorded.plays, split.served.listeners()
        users = [recorded.user_ids[user].encode() for user in np.unique(plays.listeners)]
        of_user = np.array([PARTITIONERS["murmur2"](user, num_partitions) for user in users], np.int64)
        partitions, order = of_user[listeners], np.argsort(split.served.played_at_ms, kind="stable")
        return cls(
            users=users,
            track_fragments=[msgspec.json.encode(track_id) for track_id in plays.track_ids],
            listeners=listeners,
            tracks=plays.tracks[split.order],
            played_at_ms=split.served.played_at_ms,
            partitions=partitions,
            order=order,
            by_partition=order[np.argsort(partitions[order], kind="stable")],
            bounds=bounds_of(np.bincount(partitions, minlength=num_partitions)),
        )

    def __len__(self) -> int:
        """Return P."""
        return len(self.order)

    @property
    def num_partitions(self) -> int:
        """Count the partitions of the topic."""
        return len(self.bounds) - 1

    def places(self, partitions: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the plays at some offsets: int64, one each."""
        places: NDArray[np.int64] = self.by_partition[self.bounds[partitions] + offsets]
        return places

    def encode(self, places: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
        """Write plays as messages, key and value."""
        users = [self.users[listener] for listener in self.listeners[places]]
        tracks = [self.track_fragments[track] for track in self.tracks[places]]
        encode_json = msgspec.json.encode
        return [
            (user, b'{"user_id":%b,"track_id":%b,"played_at":%d}' % (encode_json(user.decode()), track, at_ms))
            for user, track, at_ms in zip(users, tracks, self.played_at_ms[places].tolist(), strict=True)
        ]

    def split_by_partition(self, places: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """Group places by partition, each group in the given order."""
        partitions = self.partitions[places]
        return {int(partition): places[partitions == partition] for partition in np.unique(partitions)}
