"""Promotion by hand: a release becomes champion once every byte of it is verified; a rollback finds which.

The one before the champion is looked for in the history of `releases`, as far as compaction left it, then on the shelf
among the older ones, newest first. One that is gone or damaged is passed over. So each rollback goes further back,
until there is nothing older; what it went past comes back by its name.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from models.release import Release, load_release
from models.release_files import InvalidRelease, describe_release
from streamer.errors import ReleaseError
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.registry import Registry
from streamer.settings import Settings
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


async def promote(settings: Settings, release_id: str) -> Promotion:
    """Make a release of the shelf champion.

    Raises:
        ReleaseError: it is not there, or damaged.
        KafkaError: Kafka cannot be reached.
        OSError: the shelf cannot be reached.
    """
    shelf = Registry(settings.releases_url)
    if release_id not in await asyncio.to_thread(shelf.ids):
        raise ReleaseError(f"there is no release {release_id} under {shelf.url}; {_AFTERWARDS}")
    champions = await find_champions(settings.kafka_bootstrap_servers, settings.releases_topic)
    try:
        release = await _promote(settings, shelf, release_id, champions)
    except InvalidRelease as exc:
        raise ReleaseError(f"release {release_id} was not promoted: {exc}") from exc
    return Promotion(release, champions[-1].release_id if champions else None, [])


async def roll_back(settings: Settings) -> Promotion:
    """Make the release champion that was champion before.

    Raises:
        ReleaseError: there is none that could be.
        KafkaError: Kafka cannot be reached.
        OSError: the shelf cannot be reached.
    """
    shelf = Registry(settings.releases_url)
    champions = await find_champions(settings.kafka_bootstrap_servers, settings.releases_topic)
    if not champions:
        raise ReleaseError("there is no champion to roll back from; promote a release by its name")
    passed_over = []
    for release_id in _before(champions, await asyncio.to_thread(shelf.ids)):
        try:
            release = await _promote(settings, shelf, release_id, champions)
        except InvalidRelease as exc:
            passed_over.append(f"{release_id}: {exc}")
            continue
        return Promotion(release, champions[-1].release_id, passed_over)
    tried = "".join(f"; {each}" for each in passed_over)
    raise ReleaseError(f"there is no release before {champions[-1].release_id}{tried}; {_AFTERWARDS}")


def _before(champions: Sequence[ReleaseNotice], shelved: Sequence[str]) -> Iterator[str]:
    """Name what a rollback tries, in turn; ids sort by age."""
    *earlier, champion = [notice.release_id for notice in champions]
    yield from reversed(earlier)
    yield from (each for each in reversed(shelved) if each < champion and each not in earlier)


async def _promote(settings: Settings, shelf: Registry, release_id: str, champions: Sequence[ReleaseNotice]) -> Release:
    """Verify every byte, against what was announced where that is known, then move the alias."""
    known = {notice.release_id: notice for notice in champions}.get(release_id)
    location = f"{shelf.url}/{release_id}" if known is None else known.location
    sha256 = known.manifest_sha256 if known else (await asyncio.to_thread(describe_release, location)).manifest_sha256
    release = await asyncio.to_thread(load_release, location, manifest_sha256=sha256)
    notice = ReleaseNotice(release_id, location, sha256)
    await move_alias(settings.kafka_bootstrap_servers, settings.releases_topic, notice)
    return release
