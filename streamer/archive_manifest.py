"""What of an archive counts: its files, in order, and how far each partition has come."""

import os
from pathlib import Path
from typing import Final

import msgspec

from streamer.errors import ContractError

FORMAT_VERSION: Final = 1

_NAME: Final = "manifest.json"


class ArchiveFile(msgspec.Struct, frozen=True):
    """A file that counts."""

    name: str
    num_plays: int


class Manifest(msgspec.Struct, frozen=True):
    """What counts.

    Attributes:
        format_version: of the whole archive.
        next_offsets: by partition, where to go on reading.
        files: in the order of arrival.
        num_appended: plays ever archived, also those dropped since.
        num_fitted: how many of them the latest fit could see.
        num_forgotten: listeners who wished to be forgotten; none is named.
        next_file: number of the next file, never used before.
    """

    format_version: int = FORMAT_VERSION
    next_offsets: dict[int, int] = {}
    files: tuple[ArchiveFile, ...] = ()
    num_appended: int = 0
    num_fitted: int = 0
    num_forgotten: int = 0
    next_file: int = 0


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest; that of an empty archive where there is none.

    Raises:
        ContractError: it is damaged, or a newer version wrote it.
    """
    path = directory / _NAME
    if not path.exists():
        return Manifest()
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as exc:
        raise ContractError(
            f"{path} cannot be read ({exc}); restore it, or move the archive away to begin anew"
        ) from exc
    if manifest.format_version != FORMAT_VERSION:
        raise ContractError(
            f"{path} has format version {manifest.format_version}, this trainer reads {FORMAT_VERSION}: "
            "run the version that wrote it"
        )
    return manifest


def replace_manifest(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of the old one, so that a crash leaves either of the two."""
    beside = directory / f"{_NAME}.new"
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    beside.rename(directory / _NAME)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # else the old one may come back with the power
    finally:
        os.close(descriptor)
