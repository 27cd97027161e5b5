"""Datasets: the recorded or archived plays that a command learns from."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.plays.split import split_plays
from models.release import Release
from models.release_files import DataWindow, InvalidRelease
from models.training.shards import Shards, training_shard
from streamer.archive.snapshot import ArchiveChanged, ArchiveSnapshot
from streamer.errors import RefrainError, StoreError
from streamer.recordings.plays import RecordedPlays
from streamer.releases.loading import load_location
from streamer.training.checkpoints import CheckpointFile
from streamer.training.progress import FitStopped
from streamer.training.shards import COLUMNS, SHARD_PLAYS, ShardFolder, open_shards, write_shards

logger = logging.getLogger(__name__)


class TrainingError(RefrainError):
    """Raised when there is nothing to train on."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The plays that a fit learns from.

    Attributes:
        shards: the plays.
        catalogue: the tracks.
        data_window: how the release describes the plays.
        playlists: as histories, if there are any.
    """

    shards: Shards
    catalogue: Catalogue
    data_window: DataWindow
    playlists: Histories | None = None


def split_recording(listening: RecordedPlays) -> Dataset:
    """Take the first four fifths of recorded plays, by time, as one shard in memory."""
    split = split_plays(listening.plays)
    shard = training_shard(split)
    return Dataset([shard], split.catalogue, DataWindow.of(shard.histories))


def read_archive(
    directory: Path, checkpoint: CheckpointFile, *, signals: list[int], shard_plays: int = SHARD_PLAYS
) -> Dataset:
    """Cut everything the trainer has archived into shards; an interrupted fit keeps the shards it had.

    Args:
        directory: of the archive; a trainer may keep filling it.
        checkpoint: of the fit. The shards are beside it, and the fit learns from them even if the archive has changed.
            If the archive has forgotten a listener since, both are deleted and the fit starts over.
        signals: those received so far; any of them ends the reading.
        shard_plays: approximate plays per shard.

    Raises:
        ContractError: the archive cannot be read.
        FitStopped: a signal arrived.
        TrainingError: there are no plays.
    """
    snapshot, into = ArchiveSnapshot(directory), checkpoint.shards_directory
    shards = open_shards(into)
    if shards is not None and shards.manifest.num_forgotten == snapshot.num_forgotten:
        return dataset_of(shards)
    if shards is not None:
        logger.warning("listeners were forgotten since the fit began: it starts over without them")
        checkpoint.remove()
    while True:
        if not snapshot.num_plays:
            raise TrainingError(
                f"the archive {directory} holds no plays; let a trainer fill it, or name a file of recorded plays"
            )
        num_shards = -(-snapshot.num_plays // shard_plays)
        try:
            batches = _until_stopped(snapshot.batches(COLUMNS), signals)
            return dataset_of(write_shards(batches, into, num_shards=num_shards, num_forgotten=snapshot.num_forgotten))
        except ArchiveChanged as changed:
            logger.info("the archive changed while it was read; reading it again file=%s", changed)
            snapshot = ArchiveSnapshot(directory)


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
