"""Saving and loading releases: in the store, by a notice, or from a location."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.config import TrainingConfig
from models.release import Release, SavedRelease, load_files, save_release
from models.release_files import (
    MAX_RELEASE_BYTES,
    RELEASE_ID,
    DataWindow,
    InvalidRelease,
    Json,
    ReleaseManifest,
    copy_files,
    read_manifest,
)
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from streamer.addresses import mask
from streamer.errors import ReleaseError
from streamer.releases.copies import UNNAMED, Copies
from streamer.releases.signing import ANYONE, SIGNATURE, Trust
from streamer.releases.store import Store, describe
from streamer.runtime.device import pick_device
from streamer.runtime.remedies import remedy_of
from streamer.wire.messages import ReleaseNotice

if TYPE_CHECKING:
    import torch


def save_under(
    store: Store,
    recommender: Recommender,
    *,
    training: TrainingConfig,
    metrics: Mapping[str, Json],
    data_window: DataWindow,
    track_map: TrackMap | None = None,
    clock: Callable[[], float] = time.time,
) -> SavedRelease:
    """Save a release created now.

    Args:
        store: where releases are; created if absent.
        recommender: what is released.
        training: kept for the record.
        metrics: kept for the record.
        data_window: what it was trained on.
        track_map: of the recommender's tracks, if there is one.
        clock: seconds since the epoch.

    Raises:
        FileExistsError: the release is there already; releases are immutable.
        StoreError: the store fails.
    """
    return save_release(
        store,
        recommender,
        training=training,
        metrics=metrics,
        data_window=data_window,
        created_at_ms=int(clock() * 1000),
        track_map=track_map,
    )


def notice_of(saved: SavedRelease) -> ReleaseNotice:
    """Announce a release by where it is in the store, so that the store may be moved."""
    return ReleaseNotice(saved.release_id, saved.release_id, saved.manifest_sha256)


def load_notice(
    notice: ReleaseNotice,
    store: Store,
    device: "torch.device | str" = "cpu",
    *,
    max_bytes: int = MAX_RELEASE_BYTES,
    trust: Trust = ANYONE,
    copies: Copies = UNNAMED,
) -> Release:
    """Load the release that a notice names, and verify every byte of it.

    It is looked for under its id in the store, and nowhere else: whoever can write a notice must not choose what this
    process opens. So notices from before a store was moved still hold.

    Args:
        notice: of the release.
        store: where releases are.
        device: where the weights go.
        max_bytes: the most that the files may have.
        trust: whose releases are loaded.
        copies: where the files are copied to; what is there already is not asked of the store again.

    Raises:
        InvalidRelease: a file is missing, too large or differs from its checksum, the format is unknown, or nobody who
            is trusted has signed it.
        NoticeError: the notice names no place in a store.
        StoreError: the store fails.
        ReleaseError: the files cannot be copied to this machine.
    """
    check_notice(notice)
    folder = store.folder(notice.release_id)
    try:
        announced = _Announced(folder, notice.manifest_sha256, trust)
        release = _load(announced, copies, notice.release_id, device=device, max_bytes=max_bytes)
    except InvalidRelease as exc:
        if notice.location in {notice.release_id, folder.location}:
            raise
        elsewhere = f"the notice says {mask(notice.location)[:200]}, where nothing is looked for"
        raise InvalidRelease(f"{exc} ({elsewhere})") from exc
    if release.release_id != notice.release_id:
        raise InvalidRelease(f"{folder.location} holds release {release.release_id}; copy the right one there")
    return release


class NoticeError(ReleaseError):
    """Raised when a notice can name no release, however often it is tried."""


def check_notice(notice: ReleaseNotice) -> None:
    """Check the form of a notice.

    Its location is the id, or ends with it where an earlier version, or another store, put a full URL in front.

    Raises:
        NoticeError: the id is no id, or the location is not that of a directory with this name.
    """
    if not RELEASE_ID.fullmatch(notice.release_id):
        raise NoticeError(
            f"{notice.release_id[:80]!r} is no id of a release; `refrain releases promote` writes notices"
        )
    if notice.location.rstrip("/").rpartition("/")[2] != notice.release_id:
        raise NoticeError(
            f"location {mask(notice.location)[:200]!r} is not that of release {notice.release_id}; "
            "`refrain releases promote` writes notices"
        )


def load_location(location: str, *, device: "torch.device | str" = "cpu") -> Release:
    """Load a release from anywhere, and verify every byte of it against the manifest found there.

    Args:
        location: its directory, an fsspec URL or a path, as a person gave it.
        device: where the weights go.

    Raises:
        InvalidRelease: a file is missing or differs from its checksum, or the format is unknown.
        StoreError: the place cannot be reached.
        ReleaseError: the files cannot be copied to this machine.
    """
    return _load(_Announced(Store(location), None, ANYONE), UNNAMED, "", device=device, max_bytes=MAX_RELEASE_BYTES)


class _Announced(NamedTuple):
    """A release as it was announced.

    Attributes:
        folder: in the store.
        manifest_sha256: of its manifest; None: it was not announced, its manifest is taken as it is.
        trust: whose releases are loaded.
    """

    folder: Store
    manifest_sha256: str | None
    trust: Trust


def _load(
    announced: _Announced, copies: Copies, name: str, *, device: "torch.device | str", max_bytes: int
) -> Release:  # fmt: skip
    at = announced.folder.location
    try:
        with copies.place_for(name) as copy:
            manifest = _copied_manifest(announced, copy) or _stored_manifest(announced, copy)
            copy_files(announced.folder, manifest, copy, max_bytes)
            return load_files(copy, manifest, device=device)
    except (InvalidRelease, ReleaseError):
        raise
    except OSError as exc:  # the store raises others: this machine does
        what = f"release {at} cannot be copied to this machine: {describe(exc)}"
        raise ReleaseError(f"{what}; {remedy_of(exc) or 'report this'}") from exc
    except Exception as exc:  # whatever a file with the right checksum can hold: it must not end a worker
        raise InvalidRelease(f"release {at} cannot be loaded: {describe(exc)}; save a new one") from exc


def _copied_manifest(announced: _Announced, copy: Path) -> ReleaseManifest | None:
    """Read the manifest of an earlier copy; None unless it is the one announced, signed by somebody we trust."""
    if announced.manifest_sha256 is None:
        return None
    folder = Folder(str(copy))
    try:
        manifest = read_manifest(folder, announced.manifest_sha256)
        announced.trust.check(folder, manifest.content)
    except (InvalidRelease, OSError):
        return None
    return manifest


def _stored_manifest(announced: _Announced, copy: Path) -> ReleaseManifest:
    """Read and verify the manifest in the store, and copy its signature."""
    manifest = read_manifest(announced.folder, announced.manifest_sha256)
    signature = announced.trust.check(announced.folder, manifest.content)
    copy.mkdir(parents=True, exist_ok=True)
    (copy / SIGNATURE).write_bytes(signature)
    return manifest


def notice_at(location: str) -> tuple[str, ReleaseNotice]:
    """Return the URL of the store that a release is in, in full, and a notice of the release.

    Raises:
        ReleaseError: there is no release, or its directory does not bear its id.
    """
    full = location if "://" in location else str(Path(location).absolute())
    url, _, name = full.rstrip("/").rpartition("/")
    url = url or "/"  # of a release in the root
    try:
        manifest = read_manifest(Store(url, name), None)
    except InvalidRelease as exc:
        raise ReleaseError(
            f"{mask(location)} is no release ({exc}); give the directory that holds manifest.json"
        ) from exc
    if manifest.release_id != name:
        raise ReleaseError(f"{mask(location)} holds release {manifest.release_id}; give its directory that name")
    return url, ReleaseNotice(name, name, manifest.sha256)


def read_release(location: str, device_name: str) -> Release:
    """Load a release from anywhere, for a command.

    Args:
        location: its directory, an fsspec URL or a path.
        device_name: auto, cpu or cuda.

    Raises:
        ReleaseError: it cannot be loaded.
    """
    try:
        return load_location(location, device=pick_device(device_name))
    except InvalidRelease as exc:
        raise ReleaseError(f"the release cannot be used: {exc}") from exc
