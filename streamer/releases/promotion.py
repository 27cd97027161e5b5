"""Promotion by hand: a release becomes champion once every byte of it is verified; a rollback finds which.

The one before the champion is looked for in the history of `releases`, as far as compaction left it, then on the shelf
among the older ones, newest first. One that is gone or damaged is passed over. So each rollback goes further back,
until there is nothing older; what it went past comes back by its name.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from models.release import Release
from models.release_files import InvalidRelease, describe_release
from streamer.errors import ReleaseError
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.loading import load_notice
from streamer.releases.registry import Registry
from streamer.wire.messages import ReleaseNotice

_AFTERWARDS: Final = "look with `refrain releases list`"


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was done.

    Attributes:
        release: champion now.
        before: the champion until then; None: there was none.
        passed_over: what was tried first, and why it could not be.
    """

    release: Release
    before: str | None
    passed_over: Sequence[str]


@dataclass(frozen=True, slots=True)
class Promoter:
    """Makes releases champion.

    Attributes:
        bootstrap_servers: where Kafka answers.
        releases_topic: where the alias is moved.
        releases_url: fsspec URL of the directory that holds the releases.
    """

    bootstrap_servers: str
    releases_topic: str
    releases_url: str

    async def promote(self, release_id: str) -> Promotion:
        """Make a release of the shelf champion.

        Raises:
            ReleaseError: it is not there, or damaged.
            KafkaError: Kafka cannot be reached.
            OSError: the shelf cannot be reached.
        """
        shelf = Registry(self.releases_url)
        if release_id not in await asyncio.to_thread(shelf.ids):
            raise ReleaseError(f"there is no release {release_id} under {shelf.url}; {_AFTERWARDS}")
        champions = await find_champions(self.bootstrap_servers, self.releases_topic)
        try:
            release = await self._verify_and_move(shelf, release_id, champions)
        except InvalidRelease as exc:
            raise ReleaseError(f"release {release_id} was not promoted: {exc}") from exc
        return Promotion(release, champions[-1].release_id if champions else None, [])

    async def roll_back(self) -> Promotion:
        """Make the release champion that was champion before.

        Raises:
            ReleaseError: there is none that could be.
            KafkaError: Kafka cannot be reached.
            OSError: the shelf cannot be reached.
        """
        shelf = Registry(self.releases_url)
        champions = await find_champions(self.bootstrap_servers, self.releases_topic)
        if not champions:
            raise ReleaseError("there is no champion to roll back from; promote a release by its name")
        passed_over = []
        for release_id in _before(champions, await asyncio.to_thread(shelf.ids)):
            try:
                release = await self._verify_and_move(shelf, release_id, champions)
            except InvalidRelease as exc:
                passed_over.append(f"{release_id}: {exc}")
                continue
            return Promotion(release, champions[-1].release_id, passed_over)
        tried = "".join(f"; {each}" for each in passed_over)
        raise ReleaseError(f"there is no release before {champions[-1].release_id}{tried}; {_AFTERWARDS}")

    async def _verify_and_move(self, shelf: Registry, release_id: str, champions: Sequence[ReleaseNotice]) -> Release:
        """Verify every byte, against what was announced where that is known, then move the alias."""
        notice = {each.release_id: each for each in champions}.get(release_id)
        if notice is None:
            location = f"{shelf.url}/{release_id}"
            description = await asyncio.to_thread(describe_release, location)
            notice = ReleaseNotice(release_id, location, description.manifest_sha256)
        release = await asyncio.to_thread(load_notice, notice)
        await move_alias(self.bootstrap_servers, self.releases_topic, notice)
        return release


def _before(champions: Sequence[ReleaseNotice], shelved: Sequence[str]) -> Iterator[str]:
    """Name what a rollback tries, in turn; ids sort by age."""
    *earlier, champion = [notice.release_id for notice in champions]
    yield from reversed(earlier)
    yield from (each for each in reversed(shelved) if each < champion and each not in earlier)
