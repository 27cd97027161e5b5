"""Saving and loading releases: under a URL, by a notice, or from a location."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import fsspec

from models.config import TrainingConfig
from models.release import Release, SavedRelease, load_release, save_release
from models.release_files import DataWindow, InvalidRelease, Json
from models.serving.recommender import Recommender
from streamer.errors import ReleaseError
from streamer.runtime.device import pick_device
from streamer.wire.messages import ReleaseNotice

if TYPE_CHECKING:
    import torch


def save_under(
    releases_url: str,
    recommender: Recommender,
    *,
    training: TrainingConfig,
    metrics: Mapping[str, Json],
    data_window: DataWindow,
    clock: Callable[[], float] = time.time,
) -> SavedRelease:
    """Save a release created now; its location is a full URL, which holds in any working directory.

    Args:
        releases_url: fsspec URL or path; created if absent.
        recommender: what is released.
        training: kept for the record.
        metrics: kept for the record.
        data_window: what it was trained on.
        clock: seconds since the epoch.

    Raises:
        FileExistsError: the release is there already; releases are immutable.
        OSError: the place cannot be written.
    """
    files, directory = fsspec.core.url_to_fs(releases_url)
    return save_release(
        files.unstrip_protocol(directory),
        recommender,
        training=training,
        metrics=metrics,
        data_window=data_window,
        created_at_ms=int(clock() * 1000),
    )


def load_location(
    location: str, *, manifest_sha256: str | None = None, device: "torch.device | str" = "cpu"
) -> Release:
    """Load a release and verify every byte of it.

    Args:
        location: its directory, an fsspec URL or a path.
        manifest_sha256: as its notice says; absent: trust the manifest found there.
        device: where the weights go.

    Raises:
        InvalidRelease: a file is missing or differs from its checksum, or the format is unknown.
        OSError: the place cannot be reached; trying again may help, or installing the driver for such URLs.
    """
    try:
        return load_release(location, manifest_sha256=manifest_sha256, device=device)
    except (ValueError, ImportError) as exc:  # fsspec's, of a URL that it has no driver for
        raise OSError(f"release {location} cannot be opened: {exc}") from exc


def load_notice(notice: ReleaseNotice, device: "torch.device | str" = "cpu") -> Release:
    """Load what a notice names; the arguments and errors are those of `load_location`."""
    return load_location(notice.location, manifest_sha256=notice.manifest_sha256, device=device)


def notice_release(location: str) -> ReleaseNotice:
    """Create the notice of an existing release.

    Raises:
        ReleaseError: there is no release at this location.
    """
    try:
        with fsspec.open(f"{location.rstrip('/')}/manifest.json", "rb") as file:
            manifest = file.read()
        return ReleaseNotice(json.loads(manifest)["release_id"], location, hashlib.sha256(manifest).hexdigest())
    except (OSError, ValueError, KeyError, ImportError) as exc:
        raise ReleaseError(f"{location} is no release ({exc}); give the directory that holds a manifest.json") from exc


def read_release(notice: ReleaseNotice, device_name: str) -> Release:
    """Load the release of a notice, for a command.

    Args:
        notice: of the release.
        device_name: auto, cpu or cuda.

    Raises:
        ReleaseError: it cannot be loaded.
    """
    try:
        return load_notice(notice, pick_device(device_name))
    except (InvalidRelease, OSError) as exc:
        raise ReleaseError(f"the release cannot be used: {exc}") from exc
