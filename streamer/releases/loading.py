"""Loading a release: from where it lies to its notice, and from a notice to the release."""

import hashlib
import json

import fsspec

from models.release import Release, load_release
from models.release_files import InvalidRelease
from streamer.errors import ReleaseError
from streamer.runtime.device import pick_device
from streamer.wire.messages import ReleaseNotice


def notice_release(location: str) -> ReleaseNotice:
    """Write the notice of a release that exists.

    Raises:
        ReleaseError: there is none.
    """
    try:
        with fsspec.open(f"{location.rstrip('/')}/manifest.json", "rb") as file:
            manifest = file.read()
        return ReleaseNotice(json.loads(manifest)["release_id"], location, hashlib.sha256(manifest).hexdigest())
    except (OSError, ValueError, KeyError) as exc:
        raise ReleaseError(f"{location} is no release ({exc}); name the directory that holds a manifest.json") from exc


def read_release(notice: ReleaseNotice, device_name: str) -> Release:
    """Load what a notice names.

    Raises:
        ReleaseError: it cannot be.
    """
    try:
        return load_release(
            notice.location, manifest_sha256=notice.manifest_sha256, device=pick_device(device_name)
        )  # fmt: skip
    except (InvalidRelease, OSError) as exc:
        raise ReleaseError(f"the release cannot be used: {exc}") from exc
