"""What changes in the stream reaches whoever follows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import msgspec

from streamer.errors import QueryError
from streamer.kafka.groups import Group
from streamer.metrics import WorkerMetrics
from streamer.queries.calls import Calls
from streamer.queries.events import MAX_WAITING, Streams
from streamer.queries.feed import Feed, feed_routes
from streamer.queries.figures import figure_routes
from streamer.queries.peers import Peers
from streamer.queries.sampling import Sampling
from streamer.queries.workers import SELF, Lookout, worker_routes
from streamer.wire.views_figures import FiguresEvent, FiguresHistory
from streamer.wire.views_letters import LetterSource, LetterSummary
from streamer.wire.views_workers import ShownSelf
from tests.asking import Asker, asking, next_event
from tests.grouped import member, told_owners
from tests.until import until

NOWHERE = "127.0.0.1:1"


@dataclass
class Stream:
    """A worker of a group, whose seconds end when a test says so.

    The others are worker-1 and so on; while Kafka is away, nobody says so.
    """

    name: str = "worker-0"
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    now_s: float = 1_700_000_000.0
    release: str | None = None
    letters: list[LetterSummary] = field(default_factory=list)
    others: Sequence["Stream"] = ()
    partitions: int = 4
    is_kafka_away: bool = False
    is_silent: bool = False
    asker: Asker | None = None

    def __post_init__(self) -> None:
        sampling = Sampling(self.metrics, lambda: self.release, lambda: self.partitions, lambda: self.now_s)
        self.peers = Peers(told_owners(NOWHERE), Calls(), Streams(), lambda: self.name, token="")
        self.lookout = Lookout(self.peers, self._itself, 4)
        self.feed = Feed(sampling, self.lookout)

    def _itself(self) -> ShownSelf:
        if self.is_silent:
            raise QueryError("unavailable", "for a test")
        return ShownSelf(self.name, self.release, self.feed.sampling.latest(), tuple(self.letters))

    def play(self, num_plays: int) -> None:
        self.metrics.plays.inc(num_plays)
        self.now_s += 1
        self.feed.sampling.sample()

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[Asker]:
        """Serve the worker, and the others of its group."""
        async with contextlib.AsyncExitStack() as stack:
            askers = [await stack.enter_async_context(each._alone()) for each in (self, *self.others)]
            workers = list(zip((self, *self.others), askers, strict=True))
            members = tuple(member(worker.name, asker.url, (number,)) for number, (worker, asker) in enumerate(workers))
            for worker, asker in workers:
                worker.asker = asker
                if not worker.is_kafka_away:
                    worker.peers.owners.note(Group(is_moving=False, members=members))
            yield askers[0]

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[Asker]:
        task = asyncio.create_task(self.feed.run())
        routes = [
            *worker_routes(self.lookout),
            *figure_routes(self.feed.sampling, self.lookout),
            *feed_routes(self.feed, self.peers.streams),
        ]
        async with asking(routes, streams=self.peers.streams) as asker:
            await asyncio.sleep(0)
            yield asker
        task.cancel()
        await self.peers.close()


@contextlib.asynccontextmanager
async def following(asker: Asker) -> AsyncIterator[aiohttp.StreamReader]:
    async with asker.session.get(f"{asker.url}/api/v1/events") as response:
        assert response.status == 200
        yield response.content


def letter(offset: int, partition: int = 0) -> LetterSummary:
    source = LetterSource("plays", partition, offset)
    return LetterSummary(
        partition, offset, "not-json", "why", 77, source, 1, sent_again=False, times_sent=0, key=None, value="{"
    )


async def test_a_page_that_opens_is_told_what_is_known_and_then_what_changes() -> None:
    stream = Stream(release="r1")
    stream.play(20)
    async with stream.served() as asker, following(asker) as reader:
        assert await next_event(reader) == ("release", {"release": "r1"})
        assert (await next_event(reader))[0] == "workers"
        name, told = await next_event(reader)
        assert (name, told["merged"]["plays_per_s"], set(told["workers"])) == ("figures", 20, {"worker-0"})
        await until(lambda: stream.feed.num_following, "the page listens")

        stream.letters = [letter(1)]
        stream.play(30)
        names = [(await next_event(reader))[0] for _ in range(4)]
        assert names == ["letter", "release", "workers", "figures"]  # once more: they may have changed meanwhile
        stream.release, stream.letters = "r2", [letter(1), letter(2), letter(3)]
        stream.play(40)
        assert [(await next_event(reader))[1]["offset"] for _ in range(2)] == [2, 3]
        assert await next_event(reader) == ("release", {"release": "r2"})
        name, told = await next_event(reader)
        assert (name, told["workers"][0]["release"]) == ("workers", "r2")
        figures = msgspec.convert((await next_event(reader))[1], FiguresEvent)
        stream.play(50)
        assert (await next_event(reader))[0] == "figures"

    assert (figures.merged.plays_per_s, figures.merged.release, figures.merged.partitions) == (40, "r2", 4)
    assert figures.workers == {"worker-0": figures.merged}


async def test_letters_that_were_written_while_nobody_followed_are_not_told_as_new() -> None:
    stream = Stream(letters=[letter(1)])
    async with stream.served() as asker, following(asker) as reader:
        await until(lambda: stream.feed.num_following, "the page listens")
        stream.play(1)
        assert "letter" not in [(await next_event(reader))[0] for _ in range(5)]


async def test_letters_of_all_workers_are_told_once_each_even_if_one_could_not_be_asked_for_a_moment() -> None:
    other = Stream("worker-1")
    stream = Stream(others=[other])

    async def told() -> list[tuple[int, int]]:
        """Let a second end; return the letters that are told until its figures come."""
        stream.play(1)
        letters = []
        while (news := await next_event(reader))[0] != "figures":
            letters += [(news[1]["partition"], news[1]["offset"])] if news[0] == "letter" else []
        return letters

    async with stream.served() as asker, following(asker) as reader:
        await until(lambda: stream.feed.num_following, "the page listens")
        stream.letters, other.letters = [letter(5)], [letter(5, partition=1), letter(6, partition=1)]
        at_first = await told()
        stream.letters, other.is_silent = [], True
        while_silent = await told()
        other.letters, other.is_silent = [letter(6, partition=1), letter(7, partition=1)], False
        at_last = await told()

    assert (at_first, while_silent, at_last) == ([(0, 5), (1, 5), (1, 6)], [], [(1, 7)])


async def test_figures_are_those_of_all_workers_and_of_each() -> None:
    other = Stream("worker-1", release="r1")
    stream = Stream(release="r1", others=[other])
    for num_plays in (10, 20):
        stream.play(num_plays)
        other.play(3 * num_plays)
    async with stream.served() as asker, following(asker) as reader:
        here = await asker.ask("GET", "/api/v1/figures?all=0")
        of_all = await asker.ask("GET", "/api/v1/figures")
        past = await asker.ask("GET", "/api/v1/figures/history")
        told = [await next_event(reader) for _ in range(3)]

    assert (here.json["plays_per_s"], of_all.json["plays_per_s"], of_all.json["partitions"]) == (20, 80, 8)
    assert past.json["plays_per_s"] == [40, 80]
    assert past.json["counts"]["plays"] == [40, 80]
    figures = dict(told)["figures"]
    assert {name: each["plays_per_s"] for name, each in figures["workers"].items()} == {"worker-0": 20, "worker-1": 60}
    assert figures["merged"] == of_all.json
    assert [each["is_reachable"] for each in dict(told)["workers"]["workers"]] == [True, True]


async def test_what_waits_is_not_known_while_a_worker_that_owns_partitions_cannot_be_reached() -> None:
    other = Stream("worker-1", partitions=2)
    stream = Stream(partitions=2, others=[other])
    for each in (stream, other):
        each.metrics.lag_plays_total, each.metrics.lag_seconds_most = 3, 0.5
        each.play(10)

    async def lags() -> list[tuple[object, object]]:
        paths = ("figures", "figures?all=0", "figures/history", "figures/history?all=0")
        said = [(await asker.ask("GET", f"/api/v1/{path}")).json for path in paths]
        async with following(asker) as reader:
            said += [dict([await next_event(reader) for _ in range(3)])["figures"]["merged"]]
        return [(each["lag_plays"], each["lag_s"]) for each in said]

    async with stream.served() as asker:
        together = await lags()
        members = member("worker-0", asker.url, (0, 1)), member("worker-1", f"http://{NOWHERE}", (2, 3))
        stream.peers.owners.note(Group(is_moving=False, members=members))
        alone = await lags()

    assert together == [(6, 0.5), (3, 0.5), ([6], [0.5]), ([3], [0.5]), (6, 0.5)]
    assert alone == [(None, None), (3, 0.5), ([None], [None]), ([3], [0.5]), (None, None)]


async def test_what_answers_at_the_address_of_another_worker_is_not_added_up() -> None:
    other = Stream("worker-1")
    stream = Stream(others=[other])
    for each in (stream, other):
        each.play(10)
    async with stream.served() as asker:
        urls = [str(each.asker and each.asker.url) for each in (stream, other)]
        members = [member(name, url, ()) for name, url in zip(("worker-0", "worker-1"), urls, strict=True)]
        impostors = [member(f"impostor-{number}", url, ()) for number, url in enumerate(urls)]
        stream.peers.owners.note(Group(is_moving=False, members=(*members, *impostors)))
        past = await asker.ask("GET", "/api/v1/figures/history")
        now = await asker.ask("GET", "/api/v1/figures")
        own = await asker.ask("GET", "/api/v1/figures/history?all=0")

    assert (past.json["plays_per_s"], now.json["plays_per_s"], own.json["plays_per_s"]) == ([20], 20, [10])
    assert (past.json["member_id"], own.json["member_id"]) == ("worker-0", "worker-0")


async def test_figures_of_one_worker_alone_are_asked_of_itself() -> None:
    async with Stream().served() as asker:
        answers = [await asker.ask("GET", f"/api/v1/figures{path}?member_id=worker-1") for path in ("", "/history")]

    assert [answer.code for answer in answers] == ["bad_request"] * 2
    assert "`member_id`; see /api/v1/openapi.json" in answers[1].json["error"]["message"]


async def test_each_second_another_worker_is_asked_once_whatever_the_pages_show() -> None:
    others = [Stream("worker-1"), Stream("worker-2")]
    stream = Stream(others=others)
    async with stream.served() as asker, following(asker) as reader, following(asker) as another:
        for pages in (reader, another):
            assert [(await next_event(pages))[0] for _ in range(2)] == ["release", "workers"]
        await until(lambda: stream.feed.num_following == 2, "both pages listen")
        for number in range(1, 4):
            for each in (stream, *others):
                each.play(number)
            while (await next_event(reader))[0] != "figures":
                pass
        counted = [
            other.asker and [other.asker.counted(path, 200) for path in (SELF, "/api/v1/figures")] for other in others
        ]

    assert counted == [[5, None]] * 2  # by each page as it opens, then once a second


async def test_while_kafka_does_not_say_who_the_others_are_a_worker_tells_its_own_figures() -> None:
    stream = Stream(is_kafka_away=True, others=[Stream("worker-1")])
    stream.play(10)
    async with stream.served() as asker, following(asker) as reader:
        told = [await next_event(reader) for _ in range(2)]
        now = await asker.ask("GET", "/api/v1/figures")

    assert [name for name, _ in told] == ["release", "figures"]
    assert dict(told)["figures"]["merged"]["plays_per_s"] == now.json["plays_per_s"] == 10


async def test_who_falls_behind_is_dropped_and_the_others_go_on() -> None:
    stream = Stream()
    quick, slow = stream.feed.follow(), stream.feed.follow()
    task = asyncio.create_task(stream.feed.run())
    for each in (quick, slow):
        await anext(each)
    awaited = [asyncio.ensure_future(anext(each)) for each in (quick, slow)]
    await until(lambda: stream.feed.num_following == 2, "both listen")

    for number in range(MAX_WAITING + 2):
        stream.play(number)
        if number:
            awaited[0] = asyncio.ensure_future(anext(quick))
        assert b"plays_per_s" in await awaited[0]

    assert stream.feed.num_following == 1
    await awaited[1]
    assert len([chunk async for chunk in slow]) == MAX_WAITING
    task.cancel()


async def test_the_past_is_there_as_soon_as_a_page_opens() -> None:
    stream = Stream(release="r1")
    async with stream.served() as asker:
        early = await asker.ask("GET", "/api/v1/figures")
        for num_plays in (3, 4, 5):
            stream.play(num_plays)
        now = await asker.ask("GET", "/api/v1/figures")
        past = await asker.ask("GET", "/api/v1/figures/history")

    assert (early.status, early.code, early.headers["Retry-After"]) == (503, "moving", "1")
    assert (now.json["plays_per_s"], now.json["lag_plays"], now.json["release"]) == (5, None, "r1")
    history = msgspec.convert(past.json, FiguresHistory)
    assert (history.plays_per_s, history.at_ms[-1]) == ((3, 4, 5), now.json["at_ms"])
