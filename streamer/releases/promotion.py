"""Promotion by hand: a release becomes champion once every byte of it is verified; a rollback chooses the release.

A rollback looks for the champion's predecessor in the history of `releases`, as far as compaction kept it, then among
the older releases of the registry, newest first. It skips releases that are gone or damaged. So each rollback goes
further back, until there is nothing older; a release it left behind can be promoted by its id.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from models.release import Release
from models.release_files import InvalidRelease, describe_release
from streamer.errors import ReleaseError
from streamer.kafka.connection import Connection
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.loading import load_notice
from streamer.releases.registry import Registry
from streamer.wire.messages import ReleaseNotice

_REMEDY: Final = "see `refrain releases list`"


@dataclass(frozen=True, slots=True)
class Promotion:
    """The result of a promotion.

    Attributes:
        release: the champion now.
        before: the champion until then; None if there was none.
        skipped: releases that were tried first, each with the reason why it was skipped.
    """

    release: Release
    before: str | None
    skipped: Sequence[str]


@dataclass(frozen=True, slots=True)
class Promoter:
    """Makes releases champion.

    Attributes:
        connection: to Kafka.
        releases_topic: the topic of the alias.
        releases_url: fsspec URL of the directory that holds the releases.
    """

    connection: Connection
    releases_topic: str
    releases_url: str

    async def promote(self, release_id: str) -> Promotion:
        """Make a release of the registry champion.

        Raises:
            ReleaseError: it is missing or damaged.
            KafkaError: Kafka cannot be reached.
            OSError: the registry cannot be reached.
        """
        registry = Registry(self.releases_url)
        if release_id not in await asyncio.to_thread(registry.ids):
            raise ReleaseError(f"there is no release {release_id} under {registry.url}; {_REMEDY}")
        champions = await find_champions(self.connection, self.releases_topic)
        try:
            release = await self._verify_and_move(registry, release_id, champions)
        except InvalidRelease as exc:
            raise ReleaseError(f"release {release_id} was not promoted: {exc}") from exc
        return Promotion(release, champions[-1].release_id if champions else None, [])

    async def roll_back(self) -> Promotion:
        """Make the champion's predecessor champion again.

        Raises:
            ReleaseError: there is no earlier release that is intact.
            KafkaError: Kafka cannot be reached.
            OSError: the registry cannot be reached.
        """
        registry = Registry(self.releases_url)
        champions = await find_champions(self.connection, self.releases_topic)
        if not champions:
            raise ReleaseError("there is no champion to roll back from; promote a release by its id")
        skipped: list[str] = []
        for release_id in _before(champions, await asyncio.to_thread(registry.ids)):
            try:
                release = await self._verify_and_move(registry, release_id, champions)
            except InvalidRelease as exc:
                skipped.append(f"{release_id}: {exc}")
                continue
            return Promotion(release, champions[-1].release_id, skipped)
        reasons = "".join(f"; {each}" for each in skipped)
        raise ReleaseError(f"there is no release before {champions[-1].release_id}{reasons}; {_REMEDY}")

    async def _verify_and_move(
        self, registry: Registry, release_id: str, champions: Sequence[ReleaseNotice]
    ) -> Release:
        """Verify every byte, against the announced checksum if it is known, then move the alias."""
        notice = {each.release_id: each for each in champions}.get(release_id)
        if notice is None:
            location = f"{registry.url}/{release_id}"
            description = await asyncio.to_thread(describe_release, location)
            notice = ReleaseNotice(release_id, location, description.manifest_sha256)
        release = await asyncio.to_thread(load_notice, notice)
        await move_alias(self.connection, self.releases_topic, notice)
        return release


def _before(champions: Sequence[ReleaseNotice], registered: Sequence[str]) -> Iterator[str]:
    """Yield the ids that a rollback tries, in order; ids sort by age."""
    *earlier, champion = [notice.release_id for notice in champions]
    yield from reversed(earlier)
    yield from (each for each in reversed(registered) if each < champion and each not in earlier)
