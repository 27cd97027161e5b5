"""Reading an archive that another process may be appending to: its plays at one moment, one batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from streamer.archive.manifest import ArchiveFile, read_manifest

#: An append replaces some of the newest files; erasure and packing, any. This many are opened before the first read.
_OPENED_FIRST: Final = 256
_BATCH_PLAYS: Final = 1 << 16


class ArchiveChanged(Exception):  # noqa: N818 - no error, but a reason to start over
    """Raised when a file was removed before it was read: the snapshot is no longer complete."""


class ArchiveSnapshot:
    """An archive as its manifest describes it at construction.

    Args:
        directory: of the archive.

    Raises:
        ContractError: its manifest cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._manifest = read_manifest(directory, today=0)  # nothing is dropped here, so days do not matter

    @property
    def num_plays(self) -> int:
        """The number of plays it holds."""
        return sum(file.num_plays for file in self._manifest.files)

    @property
    def num_forgotten(self) -> int:
        """The number of listeners who asked to be forgotten."""
        return self._manifest.num_forgotten

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read plays in the order of arrival; only one batch is in memory.

        Raises:
            ArchiveChanged: a file is gone; take another snapshot and start over.
        """
        older, newest = self._manifest.files[:-_OPENED_FIRST], self._manifest.files[-_OPENED_FIRST:]
        with ExitStack() as stack:
            opened = [
                stack.enter_context(self._open(file)) for file in newest
            ]  # an open file can be read after its removal
            for file in older:
                with self._open(file) as parquet:
                    yield from parquet.iter_batches(_BATCH_PLAYS, columns=columns)
            for parquet in opened:
                yield from parquet.iter_batches(_BATCH_PLAYS, columns=columns)

    def _open(self, file: ArchiveFile) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._directory / file.name)
        except FileNotFoundError as exc:
            raise ArchiveChanged(file.name) from exc
