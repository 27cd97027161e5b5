"""Shards: an archive of any size, ordered by arrival, rewritten on a disk so that a listener's plays are together.

One pass over the archive's row groups appends every play to the shard its listener hashes to, so memory holds a row
group, the ids of the tracks, and later one shard. A folder is complete once it has a manifest; without one, the pass
starts over. The manifest is written after the shards have been flushed to the disk, and removed before them, so that
neither a kill nor a power cut leaves a manifest that names missing shards.

Shards lie in a directory of the archive, where its trainer removes the plays of forgotten listeners from them. Whoever
writes shards holds their folder until they are complete, and completes them while holding the directory of all folders:
either before a trainer looks for a listener in them, or after the archive has forgotten the listener, which shows.
"""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.plays.catalogue import track_keys
from models.plays.histories import gather_histories
from models.release_files import DataWindow
from models.training.shards import Shard
from streamer.errors import InUseError
from streamer.runtime.files import hold_directory, replace_file, sync_directory, sync_file, wait_for_directory

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


def shards_directory(archive: Path, checkpoint: Path) -> Path:
    """Return the directory in an archive for the shards of the fit that has this checkpoint."""
    return shards_root(archive) / hashlib.sha256(str(checkpoint.resolve()).encode()).hexdigest()[:16]


def shards_root(archive: Path) -> Path:
    """Return the directory of all folders of shards of an archive."""
    return archive / "shards"


@contextmanager
def forgetting(root: Path, user_ids: Collection[str]) -> Iterator[None]:
    """Remove the plays of listeners from all shards, and let none be completed until the archive has forgotten them.

    A fit that is reading the shards goes on with what is left. Shards whose writer died are removed.

    Raises:
        OSError: the disk refuses; repeat it.
    """
    if not user_ids or not root.exists():
        yield
        return
    keys = track_keys(sorted(user_ids))
    with wait_for_directory(root):
        for directory in (path for path in sorted(root.iterdir()) if path.is_dir()):
            _forget(directory, keys)
        yield


def open_shards(directory: Path) -> ShardFolder | None:
    """Open a folder of shards; None if there is no complete one."""
    return ShardFolder(directory) if (directory / _MANIFEST).exists() else None


def write_shards(
    batches: Iterable[pa.RecordBatch],
    directory: Path,
    *,
    num_shards: int,
    num_forgotten: int,
    is_current: Callable[[], bool] = lambda: True,
) -> ShardFolder | None:
    """Write plays into shards, replacing any that are there.

    Args:
        batches: plays with `COLUMNS`, in the order of arrival; one at a time is in memory.
        directory: emptied, or created.
        num_shards: number of files to distribute the plays over.
        num_forgotten: listeners that the archive has forgotten.
        is_current: whether the archive has forgotten nobody since.

    Returns:
        The shards; None if they are not current, and were removed.
    """
    with wait_for_directory(directory.parent):
        remove_shards(directory)
        writing = _hold(directory)
    with writing:
        manifest = _write_all(batches, directory, num_shards, num_forgotten)
        with wait_for_directory(directory.parent):
            if is_current():
                sync_directory(directory)
                replace_file(directory / _MANIFEST, msgspec.json.encode(manifest))
                return ShardFolder(directory)
    remove_shards(directory)
    return None


def _write_all(
    batches: Iterable[pa.RecordBatch], directory: Path, num_shards: int, num_forgotten: int
) -> ShardManifest:
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
    return ShardManifest(
        num_shards, num_forgotten, list(track_ids), from_ms, until_ms, num_plays,
        sum(_num_listeners(_file(directory, number)) for number in range(num_shards)),
    )  # fmt: skip


def remove_shards(directory: Path) -> None:
    """Remove a folder of shards, complete or not, if there is one."""
    if (directory / _MANIFEST).exists():
        (directory / _MANIFEST).unlink()
        sync_directory(directory)  # else the manifest may come back after a power cut, but not its shards
    shutil.rmtree(directory, ignore_errors=True)


def _hold(directory: Path) -> IO[str]:
    return hold_directory(directory, name="folder of shards", remedy="let this process write to the archive")


def _forget(directory: Path, keys: NDArray[np.uint64]) -> None:
    """Remove listeners from the shards of one folder."""
    try:
        writing = _hold(directory)
    except InUseError:
        return  # its writer will find that it is not current
    with writing:
        if (folder := open_shards(directory)) is None:
            remove_shards(directory)
            return
        for number in np.unique(keys % np.uint64(len(folder))).tolist():
            records = np.fromfile(_file(directory, number), _RECORD)
            theirs = np.isin(records["user"], keys)
            if theirs.any():
                replace_file(_file(directory, number), records[~theirs].tobytes())


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
