"""Shards: an archive of any size, ordered by arrival, rewritten on a disk so that a listener's plays are together.

One pass over the archive's row groups appends every play to the shard its listener hashes to, so memory holds a row
group, the ids of the tracks, and later one shard. A folder is complete once it has a manifest; without one, the pass
starts over. The manifest is written after the shards have been flushed to the disk, and removed before them, so that
neither a kill nor a power cut leaves a manifest that names missing shards.
"""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.plays.catalogue import track_keys
from models.plays.histories import gather_histories
from models.release_files import DataWindow
from models.training.shards import Shard
from streamer.runtime.files import replace_file, sync_directory, sync_file

#: Plays that a fit holds in memory: about 1.5 GB, most of it during word2vec's passes.
SHARD_PLAYS: Final = 2_000_000

#: The columns of an archived play that go into a shard.
COLUMNS: Final = ("user_id", "track_id", "played_at_ms", "context")

_MANIFEST: Final = "shards.json"
_RECORD: Final = np.dtype([("user", "<u8"), ("track", "<u8"), ("played_at_ms", "<i8"), ("context", "u1")])


class ShardManifest(msgspec.Struct, frozen=True):
    """What a folder of shards holds.

    Attributes:
        num_shards: one file each.
        num_forgotten: how many listeners the archive had forgotten by then; once it forgets more, the shards must go.
        track_ids: in the order of their first plays.
        from_ms: time of the first play, since the epoch.
        until_ms: time of the last play, since the epoch.
        num_plays: in all shards.
        num_listeners: in all shards.
    """

    num_shards: int
    num_forgotten: int
    track_ids: list[str]
    from_ms: int
    until_ms: int
    num_plays: int
    num_listeners: int

    @property
    def data_window(self) -> DataWindow:
        """The plays as a release describes them."""
        return DataWindow(self.from_ms, self.until_ms, self.num_plays, self.num_listeners)


class ShardFolder(Sequence[Shard]):
    """Shards on a disk, each read on every access.

    Args:
        directory: a complete folder of shards.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.manifest = msgspec.json.decode((directory / _MANIFEST).read_bytes(), type=ShardManifest)

    def __len__(self) -> int:
        """Count the shards."""
        return self.manifest.num_shards

    def __getitem__(self, number: int) -> Shard:  # type: ignore[override]  # no caller slices
        """Read a shard: its listeners by key, the plays of each by time, equal times in the order of arrival."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        records = np.fromfile(_file(self._directory, number), _RECORD)
        _, listeners = np.unique(records["user"], return_inverse=True)
        order = np.lexsort((records["played_at_ms"], listeners))
        records = records[order]
        columns = (np.ascontiguousarray(records[name]) for name in ("track", "played_at_ms", "context"))
        return Shard(gather_histories(listeners[order], *columns))


def open_shards(directory: Path) -> ShardFolder | None:
    """Open a folder of shards; None if there is no complete one."""
    return ShardFolder(directory) if (directory / _MANIFEST).exists() else None


def write_shards(
    batches: Iterable[pa.RecordBatch], directory: Path, *, num_shards: int, num_forgotten: int
) -> ShardFolder:
    """Write plays into shards, replacing any that are there.

    Args:
        batches: plays with `COLUMNS`, in the order of arrival; one at a time is in memory.
        directory: emptied, or created.
        num_shards: number of files to distribute the plays over.
        num_forgotten: listeners that the archive has forgotten.
    """
    remove_shards(directory)
    directory.mkdir(parents=True)
    track_ids: dict[str, None] = {}  # a set that keeps the order
    num_plays, from_ms, until_ms = 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min
    with ExitStack() as stack:
        files = [stack.enter_context(_file(directory, number).open("wb")) for number in range(num_shards)]
        for batch in batches:
            records = _records(batch, track_ids)
            _append(records, files)
            num_plays += len(records)
            from_ms = min(from_ms, int(records["played_at_ms"].min(initial=from_ms)))
            until_ms = max(until_ms, int(records["played_at_ms"].max(initial=until_ms)))
        for file in files:
            sync_file(file)
    manifest = ShardManifest(
        num_shards, num_forgotten, list(track_ids), from_ms, until_ms, num_plays,
        sum(_num_listeners(_file(directory, number)) for number in range(num_shards)),
    )  # fmt: skip
    sync_directory(directory)
    replace_file(directory / _MANIFEST, msgspec.json.encode(manifest))
    return ShardFolder(directory)


def remove_shards(directory: Path) -> None:
    """Remove a folder of shards, complete or not, if there is one."""
    if (directory / _MANIFEST).exists():
        (directory / _MANIFEST).unlink()
        sync_directory(directory)  # else the manifest may come back after a power cut, but not its shards
    shutil.rmtree(directory, ignore_errors=True)


def _records(batch: pa.RecordBatch, track_ids: dict[str, None]) -> NDArray[np.void]:
    records = np.empty(len(batch), _RECORD)
    users, tracks = (batch.column(name).dictionary_encode() for name in ("user_id", "track_id"))
    track_ids.update(dict.fromkeys(tracks.dictionary.to_pylist()))
    records["user"] = track_keys(users.dictionary.to_pylist())[users.indices.to_numpy()]  # any id's first 64 bits
    records["track"] = track_keys(tracks.dictionary.to_pylist())[tracks.indices.to_numpy()]
    records["played_at_ms"] = batch.column("played_at_ms").to_numpy()
    records["context"] = batch.column("context").to_numpy()
    return records


def _append(records: NDArray[np.void], files: Sequence[BinaryIO]) -> None:
    """Append each play to the file of its listener, keeping their order."""
    shards = (records["user"] % np.uint64(len(files))).astype(np.int64)
    order = np.argsort(shards, kind="stable")
    ends = np.cumsum(np.bincount(shards, minlength=len(files)))
    for file, part in zip(files, np.split(records[order], ends[:-1]), strict=True):
        file.write(part.tobytes())


def _num_listeners(path: Path) -> int:
    return len(np.unique(np.fromfile(path, _RECORD)["user"]))


def _file(directory: Path, number: int) -> Path:
    return directory / f"{number:05d}.plays"
