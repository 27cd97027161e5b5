"""The files of a release directory: read, written, and verified against its manifest.

    weights.safetensors   the network, except its item vectors
    items.safetensors     unit vectors of the tracks, float32 (M + 2, E), and their lengths (`models.networks.items`)
    reranker.safetensors  the second stage, counts and weights, if there is one
    index.safetensors     the tracks in lists of similar ones, if there are many (`models.serving.track_index`)
    catalogue.safetensors the track ids, in row order, and their keys, sorted (`models.plays.catalogue`)
    map.safetensors       the places of the tracks on a plane, for people to look at (`models.serving.track_map`), if
                          one could be made
    config.json           the architecture and sizes of the network, the sizes of the second stage, and how the network
                          was trained
    metrics.json          what the trainer measured
    manifest.json         format version, id, creation time, data window, sha256 and size of every other file; written
                          last

Nothing in a release is pickled.

Version 1 had no second stage and one architecture, which it did not name; version 2 did not say how large the files
are. Up to version 3, the catalogue was a list of ids, catalogue.json, the item vectors were not normalised, and counts
had as many neighbours for every track, most of them empty. Up to version 4, there was no map. All can still be read,
but are not written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from models.plays.histories import Histories
from models.release_folder import FileTooLargeError, Folder

FORMAT_VERSION: Final = 5

_READ_VERSIONS: Final = (1, 2, 3, 4, 5)
_LISTED: Final = (1, 2, 3)  # versions whose catalogue is a list

WEIGHTS: Final = "weights.safetensors"
ITEMS: Final = "items.safetensors"
CATALOGUE: Final = "catalogue.safetensors"
LISTED_CATALOGUE: Final = "catalogue.json"
CONFIG: Final = "config.json"
METRICS: Final = "metrics.json"
MANIFEST: Final = "manifest.json"
RERANKER: Final = "reranker.safetensors"
INDEX: Final = "index.safetensors"
MAP: Final = "map.safetensors"
_FILES: Final = (WEIGHTS, ITEMS, CONFIG, METRICS)
_OPTIONAL: Final = (RERANKER, INDEX, MAP)

MAX_MANIFEST_BYTES: Final = 64 << 10  # it names eight files
MAX_RELEASE_BYTES: Final = 8 << 30  # ten million tracks have 8 GB; the caller may know better

#: The name of a release: when it was created, and 8 hex digits of its weights' sha256.
RELEASE_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8}", re.ASCII)

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class InvalidRelease(Exception):  # noqa: N818 - names the finding; the only error here
    """Raised when a release is incomplete, damaged or of another format; a worker then keeps the one it has."""


@dataclass(frozen=True, slots=True)
class DataWindow:
    """The plays that a release was trained on.

    Attributes:
        from_ms: time of the first play, since the epoch.
        until_ms: time of the last play.
        num_plays: number of plays.
        num_listeners: number of listeners.
    """

    from_ms: int
    until_ms: int
    num_plays: int
    num_listeners: int

    @classmethod
    def of(cls, histories: Histories) -> DataWindow:
        """Return the window of some plays."""
        times_ms = histories.played_at_ms
        return cls(int(times_ms.min()), int(times_ms.max()), histories.num_plays, histories.num_listeners)


class Description(NamedTuple):
    """Everything about a release except its weights.

    Attributes:
        release_id: its name.
        manifest_sha256: of the manifest as it is.
        created_at_ms: since the epoch.
        data_window: the plays it was trained on.
        metrics: what the trainer measured.
        files: sha256 of each file but the manifest.
    """

    release_id: str
    manifest_sha256: str
    created_at_ms: int
    data_window: DataWindow
    metrics: Mapping[str, Json]
    files: Mapping[str, str]


def describe_release(location: str) -> Description:
    """Describe the release at an fsspec URL or path; errors are those of `describe_folder`."""
    return describe_folder(Folder(location))


def describe_folder(folder: Folder) -> Description:
    """Read the manifest and the metrics of a release, without verifying its weights.

    Raises:
        InvalidRelease: one of them is missing or damaged, or the format is unknown.
        OSError: the location cannot be reached.
    """
    manifest = read_manifest(folder, None)
    content = read_file(folder, METRICS, manifest.files[METRICS], MAX_RELEASE_BYTES)
    try:
        metrics = dict(json.loads(content))
    except (ValueError, TypeError, RecursionError) as exc:
        raise InvalidRelease(f"{folder.location}/{METRICS} is no JSON object ({exc}); save the release again") from exc
    return Description(
        manifest.release_id,
        manifest.sha256,
        manifest.created_at_ms,
        manifest.data_window,
        metrics,
        {name: entry.sha256 for name, entry in manifest.files.items()},
    )


class FileEntry(NamedTuple):
    """What a manifest says about a file; before version 3 it did not say the size."""

    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class ReleaseManifest:
    """The contents of a manifest, its own checksum, and its bytes, which a signature covers."""

    sha256: str
    content: bytes
    release_id: str
    created_at_ms: int
    data_window: DataWindow
    files: Mapping[str, FileEntry]


def read_manifest(folder: Folder, sha256: str | None) -> ReleaseManifest:
    """Read the manifest of a release; sha256 None: unverified.

    Raises:
        InvalidRelease: it is missing, too large or damaged, or its format is unknown.
        OSError: the location cannot be reached.
    """
    content = b"".join(_pieces(folder, MANIFEST, MAX_MANIFEST_BYTES, sha256))
    at = f"{folder.location}/{MANIFEST}"
    try:
        fields = json.loads(content)
        version = fields["format_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise InvalidRelease(f"{at} is not a manifest ({exc!r}); copy the release again") from exc
    if version not in _READ_VERSIONS:
        raise InvalidRelease(
            f"release {folder.location} has format version {version!r}, this program reads {FORMAT_VERSION} and older; "
            "upgrade the program, or save the release again with this version"
        )
    try:
        return ReleaseManifest(
            sha256=sha256_of(content),
            content=content,
            release_id=str(fields["release_id"]),
            created_at_ms=int(fields["created_at_ms"]),
            data_window=DataWindow(**fields["data_window"]),
            files=_entries(fields["files"], LISTED_CATALOGUE if version in _LISTED else CATALOGUE),
        )
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as exc:
        raise InvalidRelease(f"{at} lacks {exc}; save the release again") from exc


def _entries(files: Mapping[str, Any], catalogue: str) -> dict[str, FileEntry]:
    """Take what a manifest says about each file; only names that this module knows are ever read."""
    known = [*_FILES, catalogue, *(name for name in files if name in _OPTIONAL)]
    if strange := sorted(files.keys() - set(known)):
        raise InvalidRelease(f"a manifest names {strange[0][:80]!r}, which no release has; check who wrote it")
    return {name: _entry(files[name]) for name in known}


def _entry(stated: str | Mapping[str, Any]) -> FileEntry:
    if isinstance(stated, str):
        return FileEntry(stated, None)
    return FileEntry(str(stated["sha256"]), int(stated["size"]))


def read_file(folder: Folder, name: str, entry: FileEntry, max_bytes: int) -> bytes:
    """Read one file of a release as its manifest describes it.

    Args:
        folder: of the release.
        name: of the file.
        entry: what the manifest says about it.
        max_bytes: the most that it may have, whatever the manifest says.

    Raises:
        InvalidRelease: it is missing or too large, or differs from the manifest.
        OSError: the location cannot be reached.
    """
    return b"".join(_pieces(folder, name, _limit(folder, name, entry, max_bytes), entry.sha256))


def copy_files(folder: Folder, manifest: ReleaseManifest, directory: Path, max_bytes: int) -> None:
    """Copy the files of a release to a local directory, verify every byte, and write the manifest last.

    What the directory holds already is read and verified instead: a file that is damaged, or was cut off by a crash or
    a power cut, is copied again. So nothing needs to be flushed to the disk, and a copy that is complete is also found
    on a disk that is full or read-only.

    Args:
        folder: of the release.
        manifest: what is trusted about it.
        directory: where the files go; created if absent.
        max_bytes: the most that all files together may have.

    Raises:
        InvalidRelease: a file is missing, too large or differs from its checksum.
        OSError: the location cannot be reached, or the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, entry in manifest.files.items():
        limit, path = _limit(folder, name, entry, max_bytes), directory / name
        if not _is_intact(path, entry.sha256):
            _write(path, _pieces(folder, name, limit, entry.sha256))
        max_bytes -= path.stat().st_size
    if not _is_intact(directory / MANIFEST, manifest.sha256):
        _write(directory / MANIFEST, [manifest.content])


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that has its name only once it is complete."""
    unfinished = path.with_name(f"{path.name}.new")
    with unfinished.open("wb") as file:
        file.writelines(pieces)
    unfinished.rename(path)


def _is_intact(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _limit(folder: Folder, name: str, entry: FileEntry, max_bytes: int) -> int:
    """Return the most bytes that a file may have."""
    limit = max_bytes if entry.size is None else entry.size
    if limit > max_bytes:
        raise InvalidRelease(
            f"release {folder.location} has more than the {max_bytes:,} bytes left for {name} ({limit:,}); check who "
            "wrote it, or raise REFRAIN_RELEASES_MAX_MB"
        )
    return limit


def _pieces(folder: Folder, name: str, max_bytes: int, sha256: str | None) -> Iterator[bytes]:
    """Read a file piece by piece; what it holds is verified once all of it was read."""
    digest = hashlib.sha256()
    try:
        for piece in folder.pieces(name, max_bytes):
            digest.update(piece)
            yield piece
    except FileNotFoundError as exc:
        raise InvalidRelease(
            f"release {folder.location} has no {name}; copy it again, or check that its trainer finished"
        ) from exc
    except FileTooLargeError as exc:
        raise InvalidRelease(f"{exc}; check who wrote it, or raise REFRAIN_RELEASES_MAX_MB") from exc
    if sha256 is not None and (actual := digest.hexdigest()) != sha256:
        raise InvalidRelease(f"{folder.location}/{name} has sha256 {actual}, expected {sha256}; copy the release again")


def sha256_of(*pieces: bytes | memoryview) -> str:
    """Return the checksum of a file in hex, as in the manifest."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def to_json(value: Any) -> bytes:
    """Encode a JSON file of a release, readable for people too; no number may be NaN."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
