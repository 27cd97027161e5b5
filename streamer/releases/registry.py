"""The registry: the releases under one URL, the refusals, and which releases may be removed.

    <release id>/             a release (`models.release`); without a manifest it is unfinished
    refused/<time>.json       why weights, or plays, were refused

Releases are immutable. Pruning removes the manifest first, so a partly removed release no longer counts as one.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from models.release_files import MANIFEST, RELEASE_ID, Description, InvalidRelease, describe_folder
from models.release_folder import FileTooLargeError
from streamer.releases.store import Store

logger = logging.getLogger(__name__)

_REFUSED: Final = "refused"
_MAX_REFUSALS: Final = 100
_MAX_REFUSAL_BYTES: Final = 1 << 20


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
    """The releases in a store.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def ids(self) -> list[str]:
        """List the ids of all directories named like a release, oldest first.

        Raises:
            StoreError: the store fails.
        """
        return [name for name in self.store.names() if RELEASE_ID.fullmatch(name)]

    def look_at(self, release_id: str) -> RegisteredRelease:
        """Read the description of a release.

        Raises:
            StoreError: the store fails.
        """
        folder = self.store.folder(release_id)
        try:
            return RegisteredRelease(release_id, folder.location, describe_folder(folder), "")
        except InvalidRelease as exc:
            return RegisteredRelease(release_id, folder.location, None, str(exc))

    def prune(self, num_kept: int, needed: Collection[str], before_ms: int) -> list[str]:
        """Remove the oldest releases, and the remains of unfinished ones.

        Args:
            num_kept: how many of the newest releases stay.
            needed: ids of others that stay.
            before_ms: only releases created before this are removed; a worker may still be loading a newer one.

        Returns:
            The ids of the removed releases.

        Raises:
            StoreError: the store fails.
        """
        old = [
            release_id
            for release_id in self.ids()[: -num_kept or None]
            if release_id not in needed and _made_at_ms(release_id) < before_ms
        ]
        for release_id in old:
            folder = self.store.folder(release_id)
            if folder.holds(MANIFEST):
                folder.remove(MANIFEST)
            folder.remove_all()
        return old

    def keep_refusal(self, refusal: Refusal) -> None:
        """Store a refusal; only the newest 100 are kept.

        Raises:
            StoreError: the store fails.
        """
        folder = self.store.folder(_REFUSED)
        stamp = f"{datetime.fromtimestamp(refusal.at_ms / 1000, UTC):%Y%m%dT%H%M%S}.{refusal.at_ms % 1000:03d}Z"
        content = json.dumps(msgspec.to_builtins(refusal), indent=1, ensure_ascii=False)
        folder.write(f"{stamp}.json", content.encode())
        for name in folder.names()[:-_MAX_REFUSALS]:
            folder.remove(name)

    def refusals(self, num_newest: int = _MAX_REFUSALS) -> list[Refusal]:
        """Read the newest refusals, oldest first; unreadable ones are skipped.

        Raises:
            StoreError: the store fails.
        """
        refusals, folder = [], self.store.folder(_REFUSED)
        for name in folder.names()[-num_newest:]:
            try:
                refusals.append(msgspec.json.decode(folder.read(name, _MAX_REFUSAL_BYTES), type=Refusal))
            except (ValueError, FileTooLargeError) as exc:  # what is no refusal, or no UTF-8
                logger.warning("refusal cannot be read path=%s/%s: %s", folder.location, name, exc)
        return refusals


def _made_at_ms(release_id: str) -> int:
    made = datetime.strptime(release_id[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    return int(made.timestamp() * 1000)
