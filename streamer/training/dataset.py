"""Datasets: the recorded or archived plays that a command learns from."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.plays.split import split_plays
from models.release import Release
from models.release_files import DataWindow, InvalidRelease
from models.training.shards import Shards, training_shard
from streamer.archive.plays import SCHEMA, to_arrays
from streamer.archive.snapshot import ArchiveChanged, ArchiveSnapshot
from streamer.errors import RefrainError, StoreError
from streamer.recordings.plays import RecordedPlays
from streamer.releases.loading import load_location
from streamer.training.archive_copy import before, copy_archive
from streamer.training.candidate import HELD_OUT_SHARE
from streamer.training.checkpoints import CheckpointFile
from streamer.training.held_out import MAX_JUDGED_PLAYS, HeldOut, hold_out, hold_out_archived
from streamer.training.progress import FitStopped
from streamer.training.shards import COLUMNS, SHARD_PLAYS, ShardFolder, open_shards

logger = logging.getLogger(__name__)

JUDGED_WINDOW_PLAYS: Final = 2_000_000  # of an archive, the held-out plays and those before them; bounds memory


class TrainingError(RefrainError):
    """Raised when there is nothing to train on."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The plays that a fit learns from.

    Attributes:
        shards: the plays.
        catalogue: the tracks.
        data_window: how the release describes the plays.
        hold_out: reads plays that were not learned from, to judge by; returns None if there are none.
        playlists: as histories, if there are any.
    """

    shards: Shards
    catalogue: Catalogue
    data_window: DataWindow
    hold_out: Callable[[], HeldOut | None] = lambda: None
    playlists: Histories | None = None


def split_recording(listening: RecordedPlays) -> Dataset:
    """Take the first four fifths of recorded plays, by time, as one shard in memory; hold out the rest."""
    held_out = hold_out(listening.plays, split_plays(listening.plays).t1_ms)
    shard = training_shard(held_out.split)
    return Dataset([shard], held_out.split.catalogue, DataWindow.of(shard.histories), lambda: held_out)


def read_archive(
    directory: Path, checkpoint: CheckpointFile, *, signals: list[int], shard_plays: int = SHARD_PLAYS
) -> Dataset:
    """Cut what the trainer has archived into shards, but for the newest plays; an interrupted fit keeps its shards.

    Args:
        directory: of the archive; a trainer may keep filling it.
        checkpoint: of the fit. It names the shards, and the fit learns from them even if the archive has changed.
            If the archive has forgotten a listener since, both are deleted and the fit starts over.
        signals: those received so far; any of them ends the reading.
        shard_plays: approximate plays per shard.

    Raises:
        ContractError: the archive cannot be read.
        FitStopped: a signal arrived.
        TrainingError: there are no plays.
    """
    into = checkpoint.shards_directory
    shards = open_shards(into)
    if shards is not None and shards.manifest.num_forgotten != ArchiveSnapshot(directory).num_forgotten:
        logger.warning("listeners were forgotten since the fit began: it starts over without them")
        checkpoint.remove()
        shards = None
    if shards is None:
        shards = copy_archive(
            directory, into, lambda snapshot: _learned_from(snapshot, directory, signals), shard_plays
        )
    until_ms = shards.manifest.data_window.until_ms
    return replace(dataset_of(shards), hold_out=lambda: read_held_out(directory, until_ms + 1))


def _learned_from(snapshot: ArchiveSnapshot, directory: Path, signals: list[int]) -> Iterator[pa.RecordBatch]:
    """Read all plays but those held out."""
    if not snapshot.num_plays:
        raise TrainingError(
            f"the archive {directory} holds no plays; let a trainer fill it, or name a file of recorded plays"
        )
    end_ms, batches = _held_out_from_ms(snapshot, signals), _until_stopped(snapshot.batches(COLUMNS), signals)
    return batches if end_ms is None else before(end_ms, batches)


def read_held_out(directory: Path, from_ms: int) -> HeldOut | None:
    """Read the archived plays that a fit did not learn from, with the plays before them; None if there are none.

    Args:
        directory: of the archive.
        from_ms: the fit learned from those before.
    """
    while True:
        snapshot = ArchiveSnapshot(directory)
        try:
            window_ms = _newest_from_ms(snapshot.batches(["played_at_ms"]), JUDGED_WINDOW_PLAYS)
            batches = snapshot.batches(SCHEMA.names)
            newest = [batch.filter(pc.greater_equal(batch["played_at_ms"], window_ms)) for batch in batches]
        except ArchiveChanged:
            continue
        plays = to_arrays(pa.Table.from_batches(newest, SCHEMA))
        is_judged = plays.played_at_ms >= from_ms
        return hold_out_archived(plays, from_ms) if is_judged.any() and not is_judged.all() else None


def _held_out_from_ms(snapshot: ArchiveSnapshot, signals: list[int]) -> int | None:
    """Find the time from which plays are held out, a tenth of them at most; None if that would leave none."""
    if not (num_held_out := min(int(snapshot.num_plays * HELD_OUT_SHARE), MAX_JUDGED_PLAYS)):
        return None
    times = _until_stopped(snapshot.batches(["played_at_ms"]), signals)
    from_ms = _newest_from_ms(times, num_held_out)
    is_all = all(batch["played_at_ms"].to_numpy().min() >= from_ms for batch in snapshot.batches(["played_at_ms"]))
    return None if is_all else from_ms


def _newest_from_ms(batches: Iterator[pa.RecordBatch], num_plays: int) -> int:
    """Find the time of the oldest of the newest plays; only those are in memory."""
    newest = np.empty(0, np.int64)
    for batch in batches:
        newest = np.concatenate([newest, batch["played_at_ms"].to_numpy()])
        if len(newest) > num_plays:
            newest = np.partition(newest, -num_plays)[-num_plays:]
    return int(newest.min())


def dataset_of(shards: ShardFolder) -> Dataset:
    """Make a dataset of shards on a disk."""
    manifest = shards.manifest
    return Dataset(shards, Catalogue(manifest.track_ids), manifest.data_window)


def _until_stopped(batches: Iterator[pa.RecordBatch], signals: list[int]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if signals:
            raise FitStopped
        yield batch


def read_start(location: str | None) -> Release | None:
    """Load the release that a fit starts from; None if none is named.

    Raises:
        TrainingError: it cannot be loaded.
    """
    if location is None:
        return None
    try:
        return load_location(location)
    except (InvalidRelease, StoreError) as exc:
        raise TrainingError(f"cannot start a fit from {location}: {exc}") from exc
