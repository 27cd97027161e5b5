"""Promotion by hand: a release becomes champion once every byte of it is verified; a rollback chooses the release.

A release that the gate refused, or never judged, is promoted only by force, unless it has been champion before. A
rollback looks for the champion's predecessor in the history of `releases`, as far as compaction kept it, then among the
older releases of the registry that passed the gate, newest first. It skips releases that are gone or damaged. So each
rollback goes further back, until there is nothing older; a release it left behind can be promoted by its id.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from models.release import Release
from models.release_files import MAX_RELEASE_BYTES, InvalidRelease, describe_folder
from streamer.errors import ReleaseError
from streamer.kafka.connection import Connection
from streamer.releases.alias import announce, find_champions
from streamer.releases.copies import UNNAMED, Copies
from streamer.releases.judgement import Standing, first_sentence, standing_of
from streamer.releases.loading import load_notice
from streamer.releases.registry import Registry
from streamer.releases.signing import ANYONE, Signer, Trust
from streamer.releases.store import Store
from streamer.runtime.threads import call_unjoined
from streamer.wire.messages import ReleaseNotice

_REMEDY: Final = "see `refrain releases list`"
_LOOK_AGAIN: Final = f"nothing was changed: {_REMEDY}, and decide again"


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
        store: where the releases are.
        signer: signs what is promoted; None: nobody.
        trust: whose releases workers take up.
        copies: where a release is copied to while it is verified.
        max_bytes: the most that a release may have.
    """

    connection: Connection
    releases_topic: str
    store: Store
    signer: Signer | None = None
    trust: Trust = ANYONE
    copies: Copies = UNNAMED
    max_bytes: int = MAX_RELEASE_BYTES

    async def promote(self, release_id: str, *, instead_of: str | None = None) -> Promotion:
        """Make a release of the registry champion if it passed the gate, or was champion before.

        Args:
            release_id: of the release.
            instead_of: the champion that it is to replace; None: whichever there is.

        Raises:
            ChampionChangedError: another release is champion than whoever promotes believes.
            ReleaseError: it is missing or damaged, was refused or not judged, or the store fails.
            KafkaError: Kafka cannot be reached.
        """
        champions = await self._find(release_id, instead_of)
        if release_id not in [each.release_id for each in champions]:
            await call_unjoined(lambda: self._require_judgement(release_id))
        return await self._move(release_id, champions)

    async def force(self, release_id: str, *, instead_of: str | None = None) -> Promotion:
        """Make a release of the registry champion, whatever the gate said; see `promote`.

        Raises:
            ChampionChangedError: another release is champion than whoever promotes believes.
            ReleaseError: it is missing or damaged, or the store fails.
            KafkaError: Kafka cannot be reached.
        """
        return await self._move(release_id, await self._find(release_id, instead_of))

    async def roll_back(self, *, instead_of: str | None = None) -> Promotion:
        """Make the champion's predecessor champion again.

        Args:
            instead_of: the champion that it is to replace; None: whichever there is.

        Raises:
            ChampionChangedError: another release is champion than whoever rolls back believes.
            ReleaseError: there is no earlier release that is intact, or the store fails.
            KafkaError: Kafka cannot be reached.
        """
        champions = await self._find_champions(instead_of)
        if not champions:
            raise ReleaseError("there is no champion to roll back from; promote a release by its id")
        skipped: list[str] = []
        earlier = {notice.release_id for notice in champions}
        for release_id in _before(champions, await call_unjoined(Registry(self.store).ids)):
            try:
                if release_id not in earlier:
                    await call_unjoined(lambda: self._require_judgement(release_id))  # noqa: B023  awaited here
                release = await self._verify_and_move(release_id, champions)
            except (InvalidRelease, UnjudgedError) as exc:
                skipped.append(f"{release_id}: {exc}")
                continue
            return Promotion(release, champions[-1].release_id, skipped)
        reasons = "".join(f"; {each}" for each in skipped)
        raise ReleaseError(f"there is no release before {champions[-1].release_id}{reasons}; {_REMEDY}")

    async def _find(self, release_id: str, instead_of: str | None) -> list[ReleaseNotice]:
        """Check that a release is in the registry; return the champions so far."""
        if release_id not in await call_unjoined(Registry(self.store).ids):
            raise UnknownReleaseError(f"there is no release {release_id} under {self.store.location}; {_REMEDY}")
        return await self._find_champions(instead_of)

    async def _find_champions(self, instead_of: str | None) -> list[ReleaseNotice]:
        """Return the champions so far, the last of which must be the one to replace, if one is named."""
        champions = await find_champions(self.connection, self.releases_topic)
        champion = champions[-1].release_id if champions else None
        if instead_of not in {None, champion}:
            raise ChampionChangedError(f"{champion or 'no release'} is champion now, not {instead_of}; {_LOOK_AGAIN}")
        return champions

    def _require_judgement(self, release_id: str) -> None:
        """Refuse a release that did not pass the gate; one that is damaged is left to the verification."""
        try:
            metrics = describe_folder(self.store.folder(release_id)).metrics
        except InvalidRelease:
            return
        if (standing := standing_of(metrics)) is not Standing.PASSED:
            what = {
                Standing.REFUSED: f"the gate refused it ({first_sentence(metrics).removeprefix('Refused: ')})",
                Standing.UNJUDGED: "it was never judged",
            }[standing]
            raise UnjudgedError(
                f"release {release_id} was not promoted: {what}; `refrain releases promote --force` promotes it anyway"
            )

    async def _move(self, release_id: str, champions: Sequence[ReleaseNotice]) -> Promotion:
        try:
            release = await self._verify_and_move(release_id, champions)
        except InvalidRelease as exc:
            raise ReleaseError(f"release {release_id} was not promoted: {exc}") from exc
        return Promotion(release, champions[-1].release_id if champions else None, [])

    async def _verify_and_move(self, release_id: str, champions: Sequence[ReleaseNotice]) -> Release:
        """Verify every byte, against the announced checksum if it is known, then move the alias."""
        known = {each.release_id: each.manifest_sha256 for each in champions}

        def verify() -> tuple[ReleaseNotice, Release]:
            sha256 = known.get(release_id) or describe_folder(self.store.folder(release_id)).manifest_sha256
            notice = ReleaseNotice(release_id, release_id, sha256)
            trust = self.trust if self.signer is None else ANYONE  # it is signed in a moment
            return notice, load_notice(notice, self.store, max_bytes=self.max_bytes, trust=trust, copies=self.copies)

        notice, release = await call_unjoined(verify)
        now = await find_champions(self.connection, self.releases_topic)
        if now[-1:] != champions[-1:]:  # verifying takes seconds, for a large release minutes
            raise ChampionChangedError(
                f"{now[-1].release_id} became champion while {release_id} was verified; {_LOOK_AGAIN}"
            )
        await announce(self.connection, self.releases_topic, notice, self.store, self.signer)
        return release


class UnjudgedError(ReleaseError):
    """Raised when a release that did not pass the gate is to be promoted without force."""


class UnknownReleaseError(ReleaseError):
    """Raised when a release is to be promoted that is not in the registry."""


class ChampionChangedError(ReleaseError):
    """Raised when somebody else has promoted a release meanwhile; nothing was changed."""


def _before(champions: Sequence[ReleaseNotice], registered: Sequence[str]) -> Iterator[str]:
    """Yield the ids that a rollback tries, in order; ids sort by age."""
    *earlier, champion = [notice.release_id for notice in champions]
    yield from reversed(earlier)
    yield from (each for each in reversed(registered) if each < champion and each not in earlier)
