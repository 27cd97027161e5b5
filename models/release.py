"""A release: one set of weights, saved as a directory and loaded from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import torch
from safetensors import SafetensorError

from models.config import TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import Catalogue, track_key
from models.release_contents import encode_map, encode_recommender, map_recommender, map_track_map, sizes_of
from models.release_files import (
    CONFIG,
    FORMAT_VERSION,
    MANIFEST,
    MAX_RELEASE_BYTES,
    METRICS,
    WEIGHTS,
    DataWindow,
    InvalidRelease,
    Json,
    ReleaseManifest,
    copy_files,
    read_manifest,
    sha256_of,
    to_json,
)
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap

#: What files with the right checksums raise if they are not what their names say.
_MISFITS: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, SafetensorError)


@dataclass(frozen=True, slots=True)
class Release:
    """A release as workers hold it: verified, on its device, in eval mode.

    Attributes:
        release_id: creation time and 8 hex digits of the weights' sha256, so ids sort by age.
        key: the first 64 bits of the id's BLAKE2b; state records refer to their release by it.
        recommender: in eval mode, without gradients.
        metrics: what the trainer measured.
        data_window: the plays it was trained on.
        created_at_ms: since the epoch.
        track_map: of the catalogue, for people to look at; absent in releases of before version 5, and where none could
            be made.
    """

    release_id: str
    key: int
    recommender: Recommender
    metrics: Mapping[str, Json]
    data_window: DataWindow
    created_at_ms: int
    track_map: TrackMap | None = None

    @property
    def network(self) -> Network:
        """The recommender's network."""
        return self.recommender.network

    @property
    def catalogue(self) -> Catalogue:
        """The recommender's catalogue."""
        return self.recommender.catalogue

    @property
    def seen_until_ms(self) -> int:
        """The time from which on plays are new to it; those dated after it was made have a wrong date."""
        return min(self.data_window.until_ms, self.created_at_ms)


class SavedRelease(NamedTuple):
    """Where a release was saved, and the contents of a notice of it."""

    release_id: str
    location: str
    manifest_sha256: str


def save_release(
    releases: Folder,
    recommender: Recommender,
    *,
    training: TrainingConfig,
    metrics: Mapping[str, Json],
    data_window: DataWindow,
    created_at_ms: int,
    track_map: TrackMap | None = None,
) -> SavedRelease:
    """Write a release into a new directory among others, its manifest last.

    Args:
        releases: the directory of all releases; created if absent.
        recommender: what is released.
        training: kept for the record.
        metrics: kept for the record.
        data_window: the plays it was trained on.
        created_at_ms: since the epoch.
        track_map: of the recommender's tracks, if there is one.

    Raises:
        FileExistsError: the release exists already; releases are immutable.
        OSError: the location cannot be written.
    """
    contents = (
        encode_recommender(recommender)
        | encode_map(track_map)
        | {
            CONFIG: [to_json(sizes_of(recommender) | {"training": asdict(training)})],
            METRICS: [to_json(dict(metrics))],
        }
    )
    created = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    stamp = f"{created:%Y%m%dT%H%M%S}.{created_at_ms % 1000:03d}Z"
    release_id = f"{stamp}-{sha256_of(*contents[WEIGHTS])[:8]}"
    manifest = to_json(
        {
            "format_version": FORMAT_VERSION,
            "release_id": release_id,
            "created_at_ms": created_at_ms,
            "data_window": asdict(data_window),
            "files": {
                name: {"sha256": sha256_of(*pieces), "size": sum(map(len, pieces))} for name, pieces in contents.items()
            },
        }
    )
    folder = releases.folder(release_id)
    if folder.holds(MANIFEST):
        raise FileExistsError(
            f"release {folder.location} exists, and releases never change; save it again with a later created_at_ms"
        )
    for name, pieces in contents.items():
        folder.write_pieces(name, pieces, sum(map(len, pieces)))
    folder.write(MANIFEST, manifest)
    return SavedRelease(release_id, folder.location, sha256_of(manifest))


def load_release(location: str, *, manifest_sha256: str | None = None, device: torch.device | str = "cpu") -> Release:
    """Load the release at an fsspec URL or path, verified.

    Its files are copied to a temporary directory, mapped from there, and lose their names at once: nobody can shorten
    what is mapped.

    Args:
        location: of the release.
        manifest_sha256: of its manifest; None: unverified.
        device: where the weights go.

    Raises:
        InvalidRelease: a file is missing, too large, or not what the manifest says.
        OSError: the location cannot be reached, or nothing can be written to the temporary directory.
    """
    folder = Folder(location)
    manifest = read_manifest(folder, manifest_sha256)
    with TemporaryDirectory(prefix="refrain-") as directory:
        copy_files(folder, manifest, Path(directory), MAX_RELEASE_BYTES)
        return load_files(Path(directory), manifest, device=device)


def load_files(directory: Path, manifest: ReleaseManifest, *, device: torch.device | str = "cpu") -> Release:
    """Map the files of a release, which were copied and verified (`copy_files`).

    Args:
        directory: holds the files, which nobody else writes: to shorten one that is mapped kills the process.
        manifest: what is trusted about the release.
        device: where the weights go; on a CPU they stay in the files.

    Raises:
        InvalidRelease: they do not fit together.
    """
    try:
        config = json.loads((directory / CONFIG).read_bytes())
        recommender = map_recommender(directory, manifest.files, config)
        metrics = dict(json.loads((directory / METRICS).read_bytes()))
        track_map = map_track_map(directory, manifest.files, len(recommender.catalogue))
    except _MISFITS as exc:
        reason = " ".join(str(exc).split())
        raise InvalidRelease(
            f"the files of release {manifest.release_id} do not fit together: {reason}; save a new one"
        ) from exc
    return Release(
        release_id=manifest.release_id,
        key=track_key(manifest.release_id),
        recommender=recommender.to(device),
        metrics=metrics,
        data_window=manifest.data_window,
        created_at_ms=manifest.created_at_ms,
        track_map=track_map,
    )
