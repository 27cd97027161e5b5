"""Live hits: how often a listener's next play was in the list before it, as workers count it and as they show it."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from streamer.wire.views_members import Said

#: Reigns whose lists a worker has counts of, the latest ones.
MOST_REIGNS: Final = 32

_EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]
_Promoted = Annotated[_EpochMs, Meta(description="When it became champion; one that is rolled back to, once more.")]


class HitCounts(msgspec.Struct, frozen=True):
    """Sums over listeners, each with n plays and h hits; those of several workers add up."""

    listeners: int
    plays: Annotated[int, Meta(description="Sum of n.")]
    hits: Annotated[int, Meta(description="Sum of h.")]
    popular_hits: Annotated[int, Meta(description="Plays of the release's 20 most popular tracks of late.")]
    plays_squared: Annotated[int, Meta(description="Sum of n * n.")]
    hits_squared: Annotated[int, Meta(description="Sum of h * h.")]
    products: Annotated[int, Meta(description="Sum of h * n.")]


class ReignHits(msgspec.Struct, frozen=True):
    """How the lists of a release fared at one worker, from a promotion to the next."""

    release: str
    promoted_at: _Promoted
    answered_from: Annotated[_EpochMs, Meta(description="Its first answer.")]
    answered_to: Annotated[_EpochMs, Meta(description="Its latest answer.")]
    knows_popular: Annotated[bool, Meta(description="The release says which tracks were most popular.")]
    counts: HitCounts


class ShownHits(Said, frozen=True):
    """What a worker says to the others of how lists fared that it gave."""

    reigns: Annotated[tuple[ReignHits, ...], Meta(max_length=MOST_REIGNS)]


class LiveHits(msgspec.Struct, frozen=True):
    """How often a listener's next play was in the short-term list before it, while a release answered.

    Of a sample of the listeners, at all workers that can be reached, and at each since it started.
    """

    release: str
    promoted_at: _Promoted
    answered_from: Annotated[_EpochMs, Meta(description="Its first answer.")]
    answered_to: Annotated[_EpochMs, Meta(description="Its latest answer.")]
    listeners: int
    plays: Annotated[int, Meta(description="That came after an answer to the same listener.")]
    hit_rate_at_20: Annotated[float | None, Meta(description="Share of the plays that were in the list before them.")]
    low: Annotated[float, Meta(description="Of a 95 % interval of the rate.")]
    high: float
    popularity_hit_rate_at_20: Annotated[
        float | None,
        Meta(description="The same of the release's 20 most popular tracks of late; null if it does not know them."),
    ]
