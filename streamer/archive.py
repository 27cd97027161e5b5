"""The trainer's archive: plays as Parquet files, and how far each partition has come.

The manifest names the files that count and the next offset of each partition; it is replaced atomically, after the
files it names are on the disk. So plays and offsets change together, a play is archived exactly once, and whatever a
crash leaves behind is a file that no manifest names: it is removed at the next opening. Plays stand in the order of
their arrival, and the plays of one partition in the order of their offsets.
"""

import fcntl
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamer.archive_manifest import ArchiveFile, read_manifest, replace_manifest
from streamer.errors import ContractError
from streamer.events import PlayColumns

FULL_FILE_PLAYS: Final = 200_000  # some 3 MB; the newest file is written anew until it is full, in 0.2 s at most

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
        partitions: int32 (P,), where each came from.
        offsets: int64 (P,), in its partition.
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


def to_table(plays: PlayColumns, partition: int, offsets: NDArray[np.int64]) -> pa.Table:
    """Lay out accepted plays for the archive; no tombstones, and nothing a listener played before theirs.

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
    """Name the listeners whose tombstones stand among the plays."""
    return {plays.users[row].decode() for row in np.flatnonzero(plays.forgets).tolist()}


def _is_kept(plays: PlayColumns) -> NDArray[np.bool_]:
    forgotten_at = {plays.users[row]: row for row in np.flatnonzero(plays.forgets).tolist()}  # the latest each
    return np.array([row > forgotten_at.get(user, -1) for row, user in enumerate(plays.users)], np.bool_)


class Archive:
    """An archive, held by one process at a time; its methods may be called from any thread.

    Args:
        directory: made if absent.

    Raises:
        ContractError: another process holds it, or a newer version wrote it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turn = threading.Lock()  # reading must not meet a file that an append takes away
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _hold(directory)
        try:
            self._manifest = read_manifest(directory)
        except ContractError:
            self._lock.close()
            raise
        self._remove_unnamed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        with self._turn:
            self._lock.close()

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """The offset each partition goes on from; partitions never heard are absent."""
        return self._manifest.next_offsets

    @property
    def num_plays(self) -> int:
        """How many plays it holds."""
        return sum(file.num_plays for file in self._manifest.files)

    @property
    def num_appended(self) -> int:
        """How many plays were ever archived, also those dropped since."""
        return self._manifest.num_appended

    @property
    def num_new(self) -> int:
        """How many plays came since the latest fit."""
        return self._manifest.num_appended - self._manifest.num_fitted

    def append(self, plays: pa.Table, next_offsets: Mapping[int, int], forgotten: Collection[str] = ()) -> None:
        """Add plays, take listeners out and move the offsets: all or nothing.

        Args:
            plays: as `to_table` makes them, in order; those of the forgotten are what they played afterwards.
            next_offsets: of the partitions that moved.
            forgotten: user ids whose plays archived so far are dropped.

        Raises:
            ValueError: a partition would go back, so that plays would be archived twice.
        """
        with self._turn:
            self._append(plays, next_offsets, forgotten)

    def mark_fitted(self, num_fitted: int) -> None:
        """Remember that a release was fitted, or refused, when `num_appended` stood at `num_fitted`."""
        with self._turn:
            self._change(num_fitted=num_fitted)

    def read_newest(self, max_plays: int) -> ArchivedPlays:
        """Read the plays that arrived last."""
        tables: list[pa.Table] = []
        missing = max_plays
        with self._turn:
            for file in reversed(self._manifest.files):
                if missing <= 0:
                    break
                tables.insert(0, self._read(file))
                missing -= file.num_plays
        table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        return _to_arrays(table.slice(max(0, len(table) - max_plays)))

    def _append(self, plays: pa.Table, next_offsets: Mapping[int, int], forgotten: Collection[str]) -> None:
        self._refuse_to_go_back(plays, next_offsets)
        files, tables = list(self._manifest.files), [plays]
        number = self._manifest.next_file
        if forgotten:
            files, number = self._without(forgotten, number)
        if files and 0 < len(plays) <= FULL_FILE_PLAYS - files[-1].num_plays:
            tables.insert(0, self._read(files.pop()))
        files += self._write(pa.concat_tables(tables), number)
        self._change(
            next_offsets={**self.next_offsets, **next_offsets},
            files=tuple(files),
            num_appended=self.num_appended + len(plays),
            num_forgotten=self._manifest.num_forgotten + len(forgotten),
            next_file=number + 1,
        )
        self._remove_unnamed()

    def _change(self, **changes: Any) -> None:
        manifest = msgspec.structs.replace(self._manifest, **changes)
        replace_manifest(self._directory, manifest)
        self._manifest = manifest

    def _refuse_to_go_back(self, plays: pa.Table, next_offsets: Mapping[int, int]) -> None:
        for partition, next_offset in next_offsets.items():
            known = self.next_offsets.get(partition, 0)
            first = pc.min(plays.filter(pc.field("partition") == partition)["offset"]).as_py()
            if next_offset < known or (first is not None and first < known):
                raise ValueError(
                    f"partition {partition} is archived up to offset {known}, yet plays from {first} up to "
                    f"{next_offset} were appended; read on from `next_offsets`"
                )

    def _without(self, forgotten: Collection[str], number: int) -> tuple[list[ArchiveFile], int]:
        """Write anew the files that hold plays of the forgotten; return the files that remain and the next number."""
        files: list[ArchiveFile] = []
        names = pa.array(sorted(forgotten), pa.string())
        for file in self._manifest.files:
            table = self._read(file)
            is_kept = pc.invert(pc.is_in(table["user_id"], names))
            if pc.all(is_kept).as_py():
                files.append(file)
                continue
            files += self._write(table.filter(is_kept), number)
            number += 1
        return files, number

    def _write(self, table: pa.Table, number: int) -> list[ArchiveFile]:
        """Write a file and see it on the disk; none for no plays."""
        if not len(table):
            return []
        name = f"plays-{number:08d}.parquet"
        with (self._directory / name).open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        return [ArchiveFile(name, len(table))]

    def _read(self, file: ArchiveFile) -> pa.Table:
        return pq.read_table(self._directory / file.name, partitioning=None)

    def _remove_unnamed(self) -> None:
        named = {file.name for file in self._manifest.files}
        for path in self._directory.glob("plays-*.parquet"):
            if path.name not in named:
                path.unlink()


def _to_arrays(table: pa.Table) -> ArchivedPlays:
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


def _hold(directory: Path) -> IO[str]:
    """Lock an archive for as long as the file returned is open."""
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.close()
        raise ContractError(
            f"another process holds the archive {directory}; stop it, or give each trainer its own directory"
        ) from exc
    return lock
