"""What of an archive counts: its files, in order, how far each partition has come, and which fit is under way."""

from pathlib import Path
from typing import Final

import msgspec
import pyarrow.parquet as pq

from streamer.errors import ContractError
from streamer.runtime.files import replace_file, sync_directory

FORMAT_VERSION: Final = 2

_NAME: Final = "manifest.json"


class ArchiveFile(msgspec.Struct, frozen=True):
    """A file that counts.

    Attributes:
        name: in the archive's directory.
        num_plays: one at least.
        day: of arrival, UTC, days since the epoch; a file holds plays of one.
        from_ms: time of the earliest play, since the epoch.
        until_ms: time of the latest; who looks for a time may pass the file over by these two.
    """

    name: str
    num_plays: int
    day: int
    from_ms: int
    until_ms: int


class FitWindow(msgspec.Struct, frozen=True):
    """Which plays a fit is about: those that were there when it began.

    Attributes:
        next_offsets: by partition, where the plays that came later begin.
        num_appended: plays ever archived by then.
    """

    next_offsets: dict[int, int]
    num_appended: int


class ArchiveManifest(msgspec.Struct, frozen=True):
    """What counts.

    Attributes:
        format_version: of the whole archive.
        next_offsets: by partition, where to go on reading.
        files: in the order of arrival.
        num_appended: plays ever archived, also those dropped since.
        num_fitted: how many of them the latest fit could see.
        fitted_at_ms: when that fit ended, since the epoch; where there was none, when the archive began; 0: unknown.
        fitting: the fit under way, also one that was cut off.
        num_forgotten: listeners who wished to be forgotten; none is named.
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
    """Read the manifest; that of an empty archive where there is none.

    Args:
        directory: of the archive.
        today: days since the epoch; plays of an archive of version 1, which kept no days, count as of today.

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
            f"{path} cannot be read ({exc}); restore it, or move the archive away to begin anew"
        ) from exc
    raise ContractError(
        f"{path} has format version {version}, this trainer reads up to {FORMAT_VERSION}: run the version that wrote it"
    )


def replace_manifest(directory: Path, manifest: ArchiveManifest) -> None:
    """Replace the manifest, so that a crash leaves the old one or the new one."""
    sync_directory(directory)  # the files it names, which are flushed, must not lose their names
    replace_file(directory / _NAME, msgspec.json.encode(manifest))


def played_between(statistics: pq.FileMetaData) -> tuple[int, int]:
    """Read the times of the earliest and the latest play off a file's footer."""
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
