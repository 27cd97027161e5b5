"""The files of a release directory: read, written, and verified against its manifest.

    weights.safetensors   the network, except its item vectors
    items.safetensors     the item vectors, float32 (M + 2, E)
    reranker.safetensors  the second stage, counts and weights, if there is one
    catalogue.json        the track ids, in row order
    config.json           the architecture and sizes of the network, the sizes of the second stage, and how the network
                          was trained
    metrics.json          what the trainer measured
    manifest.json         format version, id, creation time, data window, sha256 of every other file; written last

Nothing in a release is pickled. It lives at an fsspec URL: a folder, S3, anything fsspec has a driver for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import fsspec

from models.plays.histories import Histories

FORMAT_VERSION: Final = 2

_READ_VERSIONS: Final = (1, 2)

WEIGHTS: Final = "weights.safetensors"
ITEMS: Final = "items.safetensors"
CATALOGUE: Final = "catalogue.json"
CONFIG: Final = "config.json"
METRICS: Final = "metrics.json"
MANIFEST: Final = "manifest.json"
RERANKER: Final = "reranker.safetensors"
_FILES: Final = (WEIGHTS, ITEMS, CATALOGUE, CONFIG, METRICS)

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
    """Read the manifest and the metrics of a release, without verifying its weights.

    Raises:
        InvalidRelease: one of them is missing or damaged, or the format is unknown.
        OSError: the location cannot be reached.
    """
    manifest = read_manifest(location, None)
    metrics = json.loads(read_file(location, METRICS, manifest.files[METRICS]))
    return Description(
        manifest.release_id, manifest.sha256, manifest.created_at_ms, manifest.data_window, metrics, manifest.files
    )


@dataclass(frozen=True, slots=True)
class ReleaseManifest:
    """The contents of a manifest, and its own checksum."""

    sha256: str
    release_id: str
    created_at_ms: int
    data_window: DataWindow
    files: Mapping[str, str]


def read_manifest(location: str, sha256: str | None) -> ReleaseManifest:
    """Read the manifest of a release; sha256 None: unverified.

    Raises:
        InvalidRelease: it is missing or damaged, or its format is unknown.
        OSError: the location cannot be reached.
    """
    content = read_file(location, MANIFEST, sha256)
    try:
        fields = json.loads(content)
        version = fields["format_version"]
    except (ValueError, TypeError, KeyError) as exc:
        raise InvalidRelease(f"{location}/{MANIFEST} is not a manifest ({exc!r}); copy the release again") from exc
    if version not in _READ_VERSIONS:
        raise InvalidRelease(
            f"release {location} has format version {version!r}, this program reads {FORMAT_VERSION} and older; "
            "upgrade the program, or save the release again with this version"
        )
    try:
        return ReleaseManifest(
            sha256=sha256_of(content),
            release_id=str(fields["release_id"]),
            created_at_ms=int(fields["created_at_ms"]),
            data_window=DataWindow(**fields["data_window"]),
            files={name: str(fields["files"][name]) for name in _FILES}
            | {name: str(sha256) for name, sha256 in fields["files"].items() if name == RERANKER},
        )
    except (ValueError, TypeError, KeyError) as exc:
        raise InvalidRelease(f"{location}/{MANIFEST} lacks {exc}; save the release again") from exc


def read_file(location: str, name: str, sha256: str | None) -> bytes:
    """Read one file of a release; sha256 None: unverified.

    Raises:
        InvalidRelease: it is missing, or differs from its checksum.
        OSError: the location cannot be reached.
    """
    files, directory = fsspec.core.url_to_fs(location)
    try:
        content: bytes = files.cat_file(f"{directory}/{name}")
    except FileNotFoundError as exc:
        raise InvalidRelease(
            f"release {location} has no {name}; copy it again, or check that its trainer finished"
        ) from exc
    if sha256 is not None and (actual := sha256_of(content)) != sha256:
        raise InvalidRelease(f"{location}/{name} has sha256 {actual}, expected {sha256}; copy the release again")
    return content


def sha256_of(content: bytes) -> str:
    """Return the checksum of a file in hex, as in the manifest."""
    return hashlib.sha256(content).hexdigest()


def to_json(value: Any) -> bytes:
    """Encode a JSON file of a release, readable for people too; no number may be NaN."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
