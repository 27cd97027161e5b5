"""An overview of the releases in a store: which there are, which is champion, and what was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamer.addresses import mask
from streamer.releases.registry import Refusal, RegisteredRelease, Registry
from streamer.wire.messages import ReleaseNotice

_NUM_REFUSALS: Final = 5  # the latest refusals explain why the champion is old


@dataclass(frozen=True, slots=True)
class Overview:
    """What is known of the releases.

    Attributes:
        location: of the store.
        champions: the releases that a rollback would go back through, the champion last.
        num_releases: in the store.
        is_there: whether the champion is in the store.
        releases: those that were looked at, newest first.
        refusals: the latest ones, newest first.
    """

    location: str
    champions: Sequence[ReleaseNotice]
    num_releases: int
    is_there: bool
    releases: Sequence[RegisteredRelease]
    refusals: Sequence[Refusal]

    @property
    def gone(self) -> str:
        """What is wrong if the champion is not among the releases; empty if it is."""
        if not self.champions:
            return "No release is champion, so workers give no answers." if self.releases else ""
        champion = self.champions[-1]
        if self.is_there:
            return ""
        return f"The champion {champion.release_id} is not among them; it was announced at {mask(champion.location)}."


def look_over(registry: Registry, champions: Sequence[ReleaseNotice], num_newest: int | None = None) -> Overview:
    """Look at the releases, and at the latest refusals.

    Args:
        registry: of the releases.
        champions: the releases that the alias has named, oldest first.
        num_newest: how many are looked at, besides the champion and the one before it; None: all.

    Raises:
        StoreError: the store fails.
    """
    ids, marked = registry.ids(), {notice.release_id for notice in champions[-2:]}
    seen = [each for num, each in enumerate(reversed(ids)) if num_newest is None or num < num_newest or each in marked]
    return Overview(
        location=registry.store.location,
        champions=champions,
        num_releases=len(ids),
        is_there=bool(champions) and champions[-1].release_id in ids,
        releases=[registry.look_at(release_id) for release_id in seen],
        refusals=registry.refusals(_NUM_REFUSALS)[::-1],
    )


def mark_of(release_id: str, champions: Sequence[ReleaseNotice]) -> str:
    """Return `champion`, `before` for the one before it, or nothing."""
    ids = [notice.release_id for notice in champions]
    if release_id not in ids:
        return ""
    return {1: "champion", 2: "before"}.get(len(ids) - ids.index(release_id), "")
