"""What workers counted of their listeners is added up, whichever of them is asked."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple

import pytest

from models.evaluation.hit_sums import HitSums
from streamer.kafka.groups import Group
from streamer.queries.calls import Calls
from streamer.queries.events import Streams
from streamer.queries.hits import Hits, add_up, hit_routes
from streamer.queries.peers import Peers
from streamer.wire.views_hits import HitCounts, LiveHits, ReignHits
from tests.asking import asking
from tests.builders import NOON_MS
from tests.grouped import member, told_owners

OUTCOMES = {"a": [[True, False, True], [False]], "b": [[True], [False, False], [True, True]]}


def summed(of_listeners: Sequence[Sequence[bool]]) -> HitSums:
    sums = HitSums()
    for plays in of_listeners:
        for place, is_hit in enumerate(plays):
            sums.add(place, sum(plays[:place]), is_hit=is_hit, is_popular=place == 0)
    return sums


def hits_of(
    of_listeners: Sequence[Sequence[bool]],
    release: str = "r1",
    promoted_at: int = NOON_MS,
    minutes: int = 0,
    *,
    knows_popular: bool = True,
) -> ReignHits:
    """Counts of a release that answered for a minute."""
    from_ms = promoted_at + 60_000 * minutes
    return ReignHits(
        release, promoted_at, from_ms, from_ms + 60_000, knows_popular, HitCounts(*astuple(summed(of_listeners)))
    )


def worker(name: str, counted: Sequence[ReignHits]) -> Hits:
    """A worker that does not know its group yet, nor reaches Kafka."""
    peers = Peers(told_owners("127.0.0.1:1"), Calls(), Streams(), lambda: name, token="")
    return Hits(peers, lambda: counted)


@contextlib.asynccontextmanager
async def group(**of_workers: Sequence[ReignHits]) -> AsyncIterator[dict[str, Hits]]:
    """Serve workers; a further one, `impostor`, tells the address of `b`."""
    async with contextlib.AsyncExitStack() as stack:
        hits, urls = dict[str, Hits](), dict[str, str]()
        for name, counted in of_workers.items():
            hits[name] = worker(name, counted)
            urls[name] = (await stack.enter_async_context(asking(hit_routes(hits[name])))).url
            stack.push_async_callback(hits[name].peers.close)
        members = [member(name, url, ()) for name, url in urls.items()] + [member("impostor", urls["b"], ())]
        for each in hits.values():
            each.peers.owners.note(Group(is_moving=False, members=tuple(members)))
        yield hits


async def test_whichever_worker_is_asked_live_hits_are_those_of_the_listeners_of_all() -> None:
    everywhere, own = summed([*OUTCOMES["a"], *OUTCOMES["b"]]), hits_of([[True]], "r2", NOON_MS + 1)
    async with group(a=[hits_of(OUTCOMES["a"], minutes=3)], b=[hits_of(OUTCOMES["b"]), own]) as hits:
        at_a, at_b = await hits["a"].live(), await hits["b"].live()

    low, high = everywhere.interval()
    rate, popularity = everywhere.hits / everywhere.plays, everywhere.popular_hits / everywhere.plays
    assert at_a == at_b
    assert at_a[0] == LiveHits("r1", NOON_MS, NOON_MS, NOON_MS + 4 * 60_000, 5, 9, rate, low, high, popularity)
    assert [(each.release, each.plays, each.hit_rate_at_20) for each in at_a[1:]] == [("r2", 1, 1)]


def test_each_time_that_a_release_answered_is_shown_by_itself() -> None:
    first, between, again = (
        hits_of([[True]]),
        hits_of([[False]], "r2", NOON_MS + 1),
        hits_of([[False]], "r1", NOON_MS + 2),
    )

    live = add_up([[again, first], [between, again]])

    assert [(each.release, each.promoted_at, each.plays) for each in live] == [
        ("r1", NOON_MS, 1),
        ("r2", NOON_MS + 1, 1),
        ("r1", NOON_MS + 2, 2),
    ]


async def test_a_worker_that_cannot_ask_the_others_shows_its_own_live_hits() -> None:
    alone = worker("a", [hits_of(OUTCOMES["a"])])

    live = await alone.live()

    assert live == add_up([[hits_of(OUTCOMES["a"])]])
    await alone.peers.close()


@pytest.mark.parametrize("outcomes", [[], OUTCOMES["a"]])
def test_a_rate_that_nobody_knows_is_none(outcomes: Sequence[Sequence[bool]]) -> None:
    (shown,) = add_up([[hits_of(outcomes, knows_popular=False)]])

    assert shown.popularity_hit_rate_at_20 is None
    assert (shown.hit_rate_at_20 is None, shown.low == 0) == (not outcomes, not outcomes)
