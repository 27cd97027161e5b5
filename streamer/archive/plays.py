"""Archived plays: their columns in a file, in memory, and as the codec decodes them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.wire.plays import PlayColumns

_NAMES: Final = ("user_id", "track_id")
SCHEMA: Final = pa.schema(
    [
        ("user_id", pa.string()),
        ("track_id", pa.string()),
        ("played_at_ms", pa.int64()),
        ("context", pa.uint8()),  # index of models.config.CONTEXTS
        ("skipped", pa.bool_()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class ArchivedPlays:
    """P plays in the order of their arrival.

    Attributes:
        user_ids: the U listeners among them.
        users: int64 (P,), indices of `user_ids`.
        track_ids: the T tracks among them.
        tracks: int64 (P,), indices of `track_ids`.
        played_at_ms: int64 (P,), since the epoch.
        contexts: uint8 (P,), indices of models.config.CONTEXTS.
        skipped: bool (P,).
        partitions: int32 (P,), the partition each was read from.
        offsets: int64 (P,), in that partition.
    """

    user_ids: list[str]
    users: NDArray[np.int64]
    track_ids: list[str]
    tracks: NDArray[np.int64]
    played_at_ms: NDArray[np.int64]
    contexts: NDArray[np.uint8]
    skipped: NDArray[np.bool_]
    partitions: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        """Return P."""
        return len(self.users)

    def take(self, places: NDArray[np.int64]) -> "ArchivedPlays":
        """Select some plays, in the given order; listeners and tracks keep their indices."""
        return ArchivedPlays(
            user_ids=self.user_ids,
            users=self.users[places],
            track_ids=self.track_ids,
            tracks=self.tracks[places],
            played_at_ms=self.played_at_ms[places],
            contexts=self.contexts[places],
            skipped=self.skipped[places],
            partitions=self.partitions[places],
            offsets=self.offsets[places],
        )


def to_table(plays: PlayColumns, partition: int, offsets: NDArray[np.int64]) -> pa.Table:
    """Build the archive's table of accepted plays, without tombstones and the plays before a listener's tombstone.

    Args:
        plays: of one partition.
        partition: its number.
        offsets: int64 (n,), of the n events of `plays`.
    """
    kept = np.flatnonzero(_is_kept(plays))
    columns = {
        "user_id": pa.array([plays.users[row].decode() for row in kept.tolist()], pa.string()),
        "track_id": pa.array([plays.track_ids[row] for row in kept.tolist()], pa.string()),
        "played_at_ms": plays.played_at_ms[kept],
        "context": plays.contexts[kept],
        "skipped": plays.skipped[kept],
        "partition": np.full(len(kept), partition, np.int32),
        "offset": offsets[kept],
    }
    return pa.table(columns, SCHEMA)


def forgotten_users(plays: PlayColumns) -> set[str]:
    """Return the ids of the listeners who have a tombstone among the plays."""
    return {plays.users[row].decode() for row in np.flatnonzero(plays.forgets).tolist()}


def to_arrays(table: pa.Table) -> ArchivedPlays:
    """Convert a table of `to_table` to arrays."""
    users, tracks = (table[name].combine_chunks().dictionary_encode() for name in _NAMES)
    return ArchivedPlays(
        user_ids=users.dictionary.to_pylist(),
        users=users.indices.to_numpy().astype(np.int64),
        track_ids=tracks.dictionary.to_pylist(),
        tracks=tracks.indices.to_numpy().astype(np.int64),
        played_at_ms=table["played_at_ms"].to_numpy(),
        contexts=table["context"].to_numpy(),
        skipped=table["skipped"].to_numpy(),
        partitions=table["partition"].to_numpy(),
        offsets=table["offset"].to_numpy(),
    )


def _is_kept(plays: PlayColumns) -> NDArray[np.bool_]:
    forgotten_at = {plays.users[row]: row for row in np.flatnonzero(plays.forgets).tolist()}  # each listener's latest
    return np.array([row > forgotten_at.get(user, -1) for row, user in enumerate(plays.users)], np.bool_)
