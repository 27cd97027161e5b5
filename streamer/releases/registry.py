"""The registry: the releases under one URL, the refusals, and which releases may be removed.

    <release id>/             a release (`models.release`); without a manifest it is unfinished
    refused/<time>.json       why weights, or plays, were refused

Releases are immutable. Pruning removes the manifest first, so a partly removed release no longer counts as one.
"""

import json
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import fsspec
import msgspec

from models.release_files import Description, InvalidRelease, describe_release
from streamer.errors import SettingsError

logger = logging.getLogger(__name__)

_RELEASE_ID: Final = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}")
_REFUSED: Final = "refused"
_MAX_REFUSALS: Final = 100


class Refusal(msgspec.Struct, frozen=True):
    """Why something was not released.

    Attributes:
        at_ms: time of the refusal, since the epoch.
        trigger: the reason for the fit.
        champion: the release it was compared with; None if there was none.
        reason: in a few words.
        verdict: the gate's paragraph.
    """

    at_ms: int
    trigger: str
    champion: str | None
    reason: str
    verdict: str


@dataclass(frozen=True, slots=True)
class RegisteredRelease:
    """A release in the registry, not verified.

    Attributes:
        release_id: its name.
        location: its URL.
        description: the contents of manifest and metrics; None if they cannot be read.
        fault: why they cannot be read; empty if they can.
    """

    release_id: str
    location: str
    description: Description | None
    fault: str


class Registry:
    """The releases under a URL.

    Args:
        releases_url: fsspec URL or path.

    Raises:
        SettingsError: no driver for such URLs is installed.
    """

    def __init__(self, releases_url: str) -> None:
        try:
            self._files, self._directory = fsspec.core.url_to_fs(releases_url)
        except (ValueError, ImportError) as exc:
            raise SettingsError(f"REFRAIN_RELEASES_URL={releases_url!r} cannot be used: {exc}") from exc
        self.url: str = self._files.unstrip_protocol(self._directory)

    def ids(self) -> list[str]:
        """List the ids of all directories named like a release, oldest first.

        Raises:
            OSError: the URL cannot be reached.
        """
        names = (str(path).rstrip("/").rsplit("/", 1)[-1] for path in self._list(self._directory))
        return sorted(name for name in names if _RELEASE_ID.fullmatch(name))

    def look_at(self, release_id: str) -> RegisteredRelease:
        """Read the description of a release.

        Raises:
            OSError: the URL cannot be reached.
        """
        location = f"{self.url}/{release_id}"
        try:
            return RegisteredRelease(release_id, location, describe_release(location), "")
        except InvalidRelease as exc:
            return RegisteredRelease(release_id, location, None, str(exc))

    def prune(self, num_kept: int, needed: Collection[str], before_ms: int) -> list[str]:
        """Remove the oldest releases, and the remains of unfinished ones.

        Args:
            num_kept: how many of the newest releases stay.
            needed: ids of others that stay.
            before_ms: only releases created before this are removed; a worker may still be loading a newer one.

        Returns:
            The ids of the removed releases.

        Raises:
            OSError: the URL cannot be written to.
        """
        old = [
            release_id
            for release_id in self.ids()[: -num_kept or None]
            if release_id not in needed and _made_at_ms(release_id) < before_ms
        ]
        for release_id in old:
            directory = f"{self._directory}/{release_id}"
            if self._files.exists(f"{directory}/manifest.json"):
                self._files.rm_file(f"{directory}/manifest.json")
            self._files.rm(directory, recursive=True)
        return old

    def keep_refusal(self, refusal: Refusal) -> None:
        """Store a refusal; only the newest 100 are kept.

        Raises:
            OSError: the URL cannot be written to.
        """
        directory = f"{self._directory}/{_REFUSED}"
        self._files.makedirs(directory, exist_ok=True)
        stamp = f"{datetime.fromtimestamp(refusal.at_ms / 1000, UTC):%Y%m%dT%H%M%S}.{refusal.at_ms % 1000:03d}Z"
        content = json.dumps(msgspec.to_builtins(refusal), indent=1, ensure_ascii=False)
        self._files.pipe_file(f"{directory}/{stamp}.json", content.encode())
        for path in sorted(self._list(directory))[:-_MAX_REFUSALS]:
            self._files.rm_file(path)

    def refusals(self) -> list[Refusal]:
        """Read the refusals, oldest first; unreadable ones are skipped.

        Raises:
            OSError: the URL cannot be reached.
        """
        refusals = []
        for path in sorted(self._list(f"{self._directory}/{_REFUSED}")):
            try:
                refusals.append(msgspec.json.decode(self._files.cat_file(path), type=Refusal))
            except ValueError as exc:  # msgspec's, of what is no refusal, or Python's, of what is no UTF-8
                logger.warning("refusal cannot be read path=%s: %s", path, exc)
        return refusals

    def _list(self, directory: str) -> list[str]:
        try:
            return [str(path) for path in self._files.ls(directory, detail=False)]
        except FileNotFoundError:
            return []


def _made_at_ms(release_id: str) -> int:
    made = datetime.strptime(release_id[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    return int(made.timestamp() * 1000)
