"""Figures: how the answers of a worker fared, as JSON."""

from typing import Annotated

import msgspec
from msgspec import Meta

_EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]


class LiveHits(msgspec.Struct, frozen=True):
    """How often a listener's next play was in the short-term list before it, by the release that gave the list.

    Of a sample of the listeners, and since the worker started.
    """

    release: str
    answered_from: Annotated[_EpochMs, Meta(description="Its first answer, of this worker.")]
    answered_to: Annotated[_EpochMs, Meta(description="Its latest answer, of this worker.")]
    listeners: int
    plays: Annotated[int, Meta(description="That came after an answer to the same listener.")]
    hit_rate_at_20: Annotated[float | None, Meta(description="Share of the plays that were in the list before them.")]
    low: Annotated[float, Meta(description="Of a 95 % interval of the rate.")]
    high: float
    popularity_hit_rate_at_20: Annotated[
        float | None,
        Meta(description="The same of the release's 20 most popular tracks of late; null if it does not know them."),
    ]
