"""Live hits of all workers: what each counted of its listeners, added up.

A listener lives at one worker, so the sums of several workers are those of all their listeners. One whose partition has
moved counts as another listener from then on.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Final

import msgspec

from models.evaluation.hit_sums import HitSums
from streamer.errors import KafkaUnavailableError
from streamer.queries.peers import Peers
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views_access import Nothing
from streamer.wire.views_hits import LiveHits, ReignHits, ShownHits

SELF_HITS: Final = "/api/v1/worker/hits"


@dataclass(frozen=True, slots=True)
class Hits:
    """Knows how the lists of releases fared.

    Attributes:
        peers: the other workers.
        here: returns what this one counted.
    """

    peers: Peers
    here: Callable[[], Sequence[ReignHits]]

    def itself(self) -> ShownHits:
        """Return what this worker says to the others."""
        return ShownHits(self.peers.member_id(), tuple(self.here()))

    async def live(self) -> Sequence[LiveHits]:
        """Return how the lists of each reign fared at all workers that can be reached, oldest first."""
        try:
            answers = await self.peers.ask_all(SELF_HITS, ShownHits)
        except KafkaUnavailableError:  # nobody says who the others are
            answers = {}
        return add_up([self.here(), *(said.reigns for said in answers.values())])


def hit_routes(hits: Hits) -> list[Route]:
    """Return the route of what a worker counted."""

    async def itself(_: Asked[Nothing]) -> ShownHits:
        return hits.itself()

    return [
        Route("GET", SELF_HITS, Right.READ, "How this worker's lists fared, as the others ask for it.", itself,
              answers=ShownHits),
    ]  # fmt: skip


def add_up(of_workers: Sequence[Sequence[ReignHits]]) -> list[LiveHits]:
    """Add up what workers counted of each reign, oldest first."""
    by_reign = defaultdict[tuple[int, str], list[ReignHits]](list)
    for each in of_workers:
        for hits in each:
            by_reign[hits.promoted_at, hits.release].append(hits)
    return [_show(by_reign[reign]) for reign in sorted(by_reign)]


def _show(of_workers: Sequence[ReignHits]) -> LiveHits:
    sums = reduce(add, (HitSums(*msgspec.structs.astuple(each.counts)) for each in of_workers))
    low, high = sums.interval()
    knows_popular = all(each.knows_popular for each in of_workers)
    return LiveHits(
        release=of_workers[0].release,
        promoted_at=of_workers[0].promoted_at,
        answered_from=min(each.answered_from for each in of_workers),
        answered_to=max(each.answered_to for each in of_workers),
        listeners=sums.listeners,
        plays=sums.plays,
        hit_rate_at_20=sums.hits / sums.plays if sums.plays else None,
        low=low,
        high=high,
        popularity_hit_rate_at_20=sums.popular_hits / sums.plays if sums.plays and knows_popular else None,
    )
