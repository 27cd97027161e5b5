"""The intake: the fetched records of a partition that are not yet applied, decoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from streamer.wire.changelog import UNKNOWN_MS, Mark
from streamer.wire.messages import Cause
from streamer.wire.plays import PlayColumns, Reject, decode_records

_STRAY = (
    "the key does not hash to this partition; all producers must use the partitioner that REFRAIN_PARTITIONER names"
)

Records = Sequence[ConsumerRecord[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Intake:
    """One partition's part of a batch.

    Attributes:
        partition: its number.
        records: those above the progress mark, in order; at least one.
        plays: the accepted events among them.
        offsets: int64 (n,), their source offsets.
        rejects: the others, in order; their `index` is a position in `records`.
    """

    partition: int
    records: Records
    plays: PlayColumns
    offsets: NDArray[np.int64]
    rejects: Sequence[Reject]

    @property
    def mark(self) -> Mark:
        """The progress mark of the partition once this intake is done."""
        last = self.records[-1]
        return Mark(last.offset, UNKNOWN_MS if last.timestamp is None else last.timestamp)

    def part(self, begin: int, end: int) -> "Intake":
        """Return the intake of `records[begin:end]` alone."""
        rows = np.flatnonzero((begin <= self.plays.index) & (self.plays.index < end))
        plays = _take(self.plays, rows)
        return Intake(
            self.partition,
            self.records[begin:end],
            replace(plays, index=plays.index - begin),
            self.offsets[rows],
            [replace(reject, index=reject.index - begin) for reject in self.rejects if begin <= reject.index < end],
        )

    def rejected(self, cause: Cause, reason: str) -> "Intake":
        """Return the intake with its accepted events among the rejects."""
        none = np.empty(0, np.int64)
        new_rejects = [Reject(index, cause, reason) for index in self.plays.index.tolist()]
        rejects = sorted((*self.rejects, *new_rejects), key=lambda reject: reject.index)
        return replace(self, plays=_take(self.plays, none), offsets=none, rejects=rejects)


def fresh_records(fetched: Records, mark: Mark) -> Records:
    """Return the records of a partition that its progress mark does not cover, each once.

    A chunk that waited through a rebalance may be fetched again, and both copies may be in one batch.
    """
    newest, fresh = mark.offset, []
    for record in fetched:
        if record.offset > newest:
            newest = record.offset
            fresh.append(record)
    return fresh


def take_in(partition: int, records: Records, belongs_here: Callable[[bytes], bool] | None) -> Intake:
    """Read a partition's records.

    Args:
        partition: its number.
        records: those above its progress mark, in order; at least one.
        belongs_here: whether a key hashes to this partition; None skips the check.
    """
    decoded = decode_records(records)
    plays = decoded.plays
    rejects: Sequence[Reject] = decoded.rejects
    if belongs_here is not None:
        plays, strays = _without_strays(plays, belongs_here)
        rejects = sorted((*rejects, *strays), key=lambda reject: reject.index)
    offsets = np.array([record.offset for record in records], np.int64)[plays.index]
    return Intake(partition, records, plays, offsets, rejects)


def _without_strays(plays: PlayColumns, belongs_here: Callable[[bytes], bool]) -> tuple[PlayColumns, list[Reject]]:
    is_home = np.array([belongs_here(user) for user in plays.users], np.bool_)
    strays = [Reject(int(index), Cause.STRAY_PARTITION, _STRAY) for index in plays.index[~is_home]]
    return _take(plays, np.flatnonzero(is_home)), strays


def _take(plays: PlayColumns, rows: NDArray[np.int64]) -> PlayColumns:
    arrays = {
        name: getattr(plays, name)[rows]
        for name in ("index", "track_keys", "played_at_ms", "contexts", "skipped", "forgets")
    }
    return replace(plays, users=[plays.users[i] for i in rows], track_ids=[plays.track_ids[i] for i in rows], **arrays)
