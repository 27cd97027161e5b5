"""The manifest of an archive: its valid files in order, the next offset of each partition, and the current fit."""

from pathlib import Path
from typing import Final

import msgspec
import pyarrow.parquet as pq

from streamer.errors import ContractError
from streamer.runtime.files import replace_file, sync_directory

FORMAT_VERSION: Final = 2

_NAME: Final = "manifest.json"


class ArchiveFile(msgspec.Struct, frozen=True):
    """A valid file.

    Attributes:
        name: in the archive's directory.
        num_plays: at least one.
        day: of arrival, UTC, days since the epoch; a file holds the plays of one day.
        from_ms: time of the earliest play, since the epoch.
        until_ms: time of the latest play; by these two a reader of some period can skip the file.
    """

    name: str
    num_plays: int
    day: int
    from_ms: int
    until_ms: int


class FitWindow(msgspec.Struct, frozen=True):
    """The plays of a fit: those archived when it started.

    Attributes:
        next_offsets: by partition, the offset of the first later play.
        num_appended: plays ever archived by then.
    """

    next_offsets: dict[int, int]
    num_appended: int


class ArchiveManifest(msgspec.Struct, frozen=True):
    """The contents of the manifest.

    Attributes:
        format_version: of the whole archive.
        next_offsets: by partition, where to continue reading.
        files: in the order of arrival.
        num_appended: plays ever archived, including those dropped since.
        num_fitted: how many of them were archived when the latest fit started.
        fitted_at_ms: when that fit ended, since the epoch; before the first fit, when the archive began; 0: unknown.
        fitting: the current fit, even if it was interrupted.
        num_forgotten: listeners who asked to be forgotten; only the number is kept.
        next_file: number of the next file, never used before.
    """

    format_version: int = FORMAT_VERSION
    next_offsets: dict[int, int] = {}
    files: tuple[ArchiveFile, ...] = ()
    num_appended: int = 0
    num_fitted: int = 0
    fitted_at_ms: int = 0
    fitting: FitWindow | None = None
    num_forgotten: int = 0
    next_file: int = 0


class _Version(msgspec.Struct):
    format_version: int


class _FileV1(msgspec.Struct, frozen=True):
    name: str
    num_plays: int


class _ManifestV1(msgspec.Struct, frozen=True):
    next_offsets: dict[int, int]
    files: tuple[_FileV1, ...]
    num_appended: int
    num_fitted: int
    num_forgotten: int
    next_file: int


def read_manifest(directory: Path, today: int) -> ArchiveManifest:
    """Read the manifest; an empty archive's if there is none.

    Args:
        directory: of the archive.
        today: days since the epoch; the day given to plays of a version 1 archive, which stored no days.

    Raises:
        ContractError: it is damaged, or a newer version wrote it.
    """
    path = directory / _NAME
    if not path.exists():
        return ArchiveManifest()
    content = path.read_bytes()
    try:
        version = msgspec.json.decode(content, type=_Version).format_version
        if version == FORMAT_VERSION:
            return msgspec.json.decode(content, type=ArchiveManifest)
        if version == 1:
            return _upgrade(directory, msgspec.json.decode(content, type=_ManifestV1), today)
    except msgspec.DecodeError as exc:
        raise ContractError(
            f"{path} cannot be read ({exc}); restore it, or move the archive away to start over"
        ) from exc
    raise ContractError(
        f"{path} has format version {version}; this trainer reads up to {FORMAT_VERSION}: run the version that wrote it"
    )


def replace_manifest(directory: Path, manifest: ArchiveManifest) -> None:
    """Replace the manifest atomically, so that a crash leaves the old one or the new one."""
    sync_directory(directory)  # the files it lists are flushed; their directory entries must be too
    replace_file(directory / _NAME, msgspec.json.encode(manifest))


def played_between(statistics: pq.FileMetaData) -> tuple[int, int]:
    """Read the times of the earliest and the latest play from a file's footer."""
    place = statistics.schema.to_arrow_schema().get_field_index("played_at_ms")
    groups = [statistics.row_group(group).column(place).statistics for group in range(statistics.num_row_groups)]
    return min(int(group.min) for group in groups), max(int(group.max) for group in groups)


def _upgrade(directory: Path, old: _ManifestV1, today: int) -> ArchiveManifest:
    files = (ArchiveFile(file.name, file.num_plays, today, *_times(directory / file.name)) for file in old.files)
    return ArchiveManifest(
        next_offsets=old.next_offsets,
        files=tuple(files),
        num_appended=old.num_appended,
        num_fitted=old.num_fitted,
        num_forgotten=old.num_forgotten,
        next_file=old.next_file,
    )


def _times(path: Path) -> tuple[int, int]:
    return played_between(pq.read_metadata(path))
