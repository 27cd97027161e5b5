"""Copies of an archive: its plays at one moment as shards, while its trainer may keep filling it."""

import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.plays.bots import find_bots
from models.training.play_counts import ReportCounted
from streamer.archive.snapshot import ArchiveChanged, ArchiveSnapshot
from streamer.training.shards import COLUMNS, SHARD_PLAYS, ShardFolder, write_shards

logger = logging.getLogger(__name__)

_EXAMINED_PLAYS: Final = 1_000_000  # looked through for scripts at a time: a few hundred MB


def copy_archive(
    directory: Path,
    into: Path,
    plays_of: Callable[[ArchiveSnapshot], Iterator[pa.RecordBatch]],
    shard_plays: int = SHARD_PLAYS,
) -> ShardFolder:
    """Copy plays of an archive into shards; copy them again if it changes so that some can no longer be read.

    Args:
        directory: of the archive.
        into: where the shards go, see `write_shards`.
        plays_of: reads the plays of a snapshot, with `COLUMNS`.
        shard_plays: approximate plays of the archive per shard.
    """
    shards = None
    while shards is None:
        snapshot = ArchiveSnapshot(directory)
        try:
            shards = write_shards(
                plays_of(snapshot), into,
                num_shards=-(-snapshot.num_plays // shard_plays),
                num_forgotten=snapshot.num_forgotten,
                is_current=partial(_has_forgotten, directory, snapshot.num_forgotten),
            )  # fmt: skip
        except ArchiveChanged as changed:
            logger.info("the archive changed while it was read; reading it again file=%s", changed)
    return shards


def copy_trusted(directory: Path, into: Path, end_ms: int, report: ReportCounted) -> ShardFolder:
    """Copy the plays of an archive before a time into shards, without stretches that look scripted.

    Args:
        directory: of the archive.
        into: where the shards go.
        end_ms: since the epoch.
        report: called after every batch, with the plays read and how many there are; an exception ends the copying.
    """

    def read(snapshot: ArchiveSnapshot) -> Iterator[pa.RecordBatch]:
        num_plays = snapshot.num_plays
        return before(end_ms, _trusted(_reported(snapshot.batches(COLUMNS), num_plays, report), num_plays))

    return copy_archive(directory, into, read)


def before(end_ms: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Keep the plays before a time."""
    for batch in batches:
        yield batch.filter(pc.less(batch["played_at_ms"], end_ms))


def _has_forgotten(directory: Path, num_listeners: int) -> bool:
    """Return whether an archive has forgotten that many listeners, and no more."""
    return ArchiveSnapshot(directory).num_forgotten == num_listeners


def _reported(batches: Iterator[pa.RecordBatch], num_plays: int, report: ReportCounted) -> Iterator[pa.RecordBatch]:
    num_read = 0
    for batch in batches:
        num_read += len(batch)
        report(num_read, num_plays)
        yield batch


def _trusted(batches: Iterator[pa.RecordBatch], num_plays: int) -> Iterator[pa.RecordBatch]:
    """Leave out the stretches that look scripted, in windows of equal size."""
    size = math.ceil(num_plays / max(1, math.ceil(num_plays / _EXAMINED_PLAYS)))
    window, num_waiting = list[pa.RecordBatch](), 0
    for batch in batches:
        window.append(batch)
        num_waiting += len(batch)
        if num_waiting >= size:
            yield from _trusted_of(window)
            window, num_waiting = [], 0
    if window:
        yield from _trusted_of(window)


def _trusted_of(window: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    plays = pa.Table.from_batches(window)
    is_trusted = find_bots(_numbers(plays["user_id"]), _numbers(plays["track_id"]), 0).is_trusted
    kept: list[pa.RecordBatch] = plays.filter(pa.array(is_trusted)).to_batches()
    return kept


def _numbers(ids: pa.ChunkedArray) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = ids.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers
