"""Workers that pass questions on to each other: real servers, and a group whose description was written by hand."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from streamer.errors import ElsewhereError
from streamer.kafka.groups import Group, Member
from streamer.queries.calls import Calls
from streamer.queries.door import Door
from streamer.queries.events import Streams, event
from streamer.queries.peers import Peers
from streamer.queries.routes import EVENTS, Asked, Right, Route
from streamer.queries.workers import Lookout, worker_routes
from streamer.wire.views_questions import ListenerQuestion
from streamer.wire.views_workers import ShownSelf
from tests.asking import Asker, asking
from tests.grouped import member, told_owners
from tests.until import until

TOKEN = "a-token-that-may-read"
OTHER = "another-token-of-a-test"


@dataclass
class Worker:
    """A worker with partitions, and listeners in them.

    A listener named `3` lives in partition 3, `1.3` in partition 3 though their other home is 1, and `1,3` nowhere.
    """

    name: str
    partitions: tuple[int, ...]
    peers: Peers
    url: str = ""
    asker: Asker | None = None
    asked: list[Mapping[str, str]] = field(default_factory=list)
    following: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[Route]:
        look = Route("POST", "/look", Right.READ, "Look.", self._look, question=ListenerQuestion)
        follow = Route("POST", "/follow", Right.READ, "Follow.", self._follow, question=ListenerQuestion, media=EVENTS)
        lookout = Lookout(self.peers, lambda: ShownSelf(self.name, f"release of {self.name}", None), 4)
        return [*self.peers.forwarding([look, follow]), *worker_routes(lookout)]

    async def ask(self, user: str, headers: Mapping[str, str] | None = None) -> Any:
        assert self.asker is not None
        answer = await self.asker.ask("POST", "/look", headers, json={"user_id": user})
        return answer.json if answer.status == 200 else (answer.status, answer.code, answer.json["error"]["message"])

    async def _look(self, asked: Asked[ListenerQuestion]) -> object:
        self.asked.append(dict(asked.request.headers))
        user = asked.question.user_id
        homes = [int(home) for home in user.replace(".", ",").split(",")]
        looked_in = set(asked.looked_in)
        for home in homes:
            if home in self.partitions:
                if "," not in user and home == homes[-1]:
                    return {"found_by": self.name}
                looked_in.add(home)
        if missing := [home for home in homes if home not in looked_in]:
            raise ElsewhereError(missing[0], looked_in)
        return {"unknown_to": self.name}

    async def _follow(self, asked: Asked[ListenerQuestion]) -> web.StreamResponse:
        async def chunks() -> AsyncGenerator[bytes, None]:
            await self._look(asked)
            try:
                yield event("listener", 1)
                self.following.set()
                await asyncio.Event().wait()
            finally:
                self.ended.set()

        return await self.peers.streams.answer(asked.request, chunks())


@contextlib.asynccontextmanager
async def serving(name: str, partitions: tuple[int, ...], door: Door | None = None) -> AsyncIterator[Worker]:
    streams = Streams()
    peers = Peers(told_owners(), Calls(), streams, lambda: name, door.read_token if door else "", answer_limit_s=1.0)
    worker = Worker(name, partitions, peers)
    async with asking(worker.routes(), door=door, streams=streams) as asker:
        worker.asker, worker.url = asker, asker.url
        try:
            yield worker
        finally:
            streams.close()
            await peers.close()


def introduce(*workers: Worker, others: tuple[Member, ...] = (), is_moving: bool = False) -> None:
    members = tuple(member(worker.name, worker.url, worker.partitions) for worker in workers)
    for worker in workers:
        worker.peers.owners.note(Group(is_moving, () if is_moving else members + others))


@contextlib.asynccontextmanager
async def two(door: Door | None = None) -> AsyncIterator[tuple[Worker, Worker]]:
    async with serving("a", (0, 1), door) as a, serving("b", (2, 3), door) as b:
        introduce(a, b)
        yield a, b


async def test_a_listener_is_found_through_whichever_worker_is_asked() -> None:
    async with two() as (a, b):
        for worker in (a, b):
            assert await worker.ask("1") == {"found_by": "a"}
            assert await worker.ask("3") == {"found_by": "b"}
            for homes in ("1.3", "0.2"):
                assert await worker.ask(homes) == {"found_by": "b"}
            for homes in ("3.1", "2.0"):
                assert await worker.ask(homes) == {"found_by": "a"}
            assert len(await worker.ask("1,3")) == 1


async def test_where_homes_are_on_two_other_workers_the_second_knows_that_the_first_has_looked() -> None:
    async with two() as (a, b), serving("c", ()) as c:
        introduce(a, b, c)

        assert await c.ask("1.3") == {"found_by": "b"}
        assert await c.ask("3.1") == {"found_by": "a"}
        assert await c.ask("1,3") == {"unknown_to": "b"}
        assert await c.ask("3,1") == {"unknown_to": "a"}


async def test_a_question_is_passed_on_once_with_a_token_that_may_only_read() -> None:
    async with two(Door(TOKEN, OTHER)) as (a, b):
        assert await a.ask("3", {"Authorization": f"Bearer {OTHER}", "Cookie": "x=y"}) == {"found_by": "b"}
        (seen,) = b.asked
        assert seen["Authorization"] == f"Bearer {TOKEN}"
        assert seen["Refrain-Forwarded"] == "1"
        assert "Cookie" not in seen

        b.partitions = ()  # both believe that it belongs to b, which has just lost it
        status, code, said = await a.ask("3", {"Authorization": f"Bearer {TOKEN}"})
        assert (status, code, said) == (503, "moving", "partition 3 has just moved; ask again")
        assert (len(a.asked), len(b.asked)) == (2, 2)


async def test_while_partitions_move_the_answer_says_so_and_the_workers_are_those_of_before() -> None:
    async with two() as (a, b):
        introduce(a, b, is_moving=True)
        assert await a.ask("3") == (503, "moving", "partition 3 is being handed over; ask again")
        assert a.asker is not None
        shown = (await a.asker.ask("GET", "/api/v1/workers")).json
        assert (shown["state"], [worker["identity"] for worker in shown["workers"]]) == ("moving", ["a", "b"])

        introduce(a, b)
        a.partitions = (0,)  # 1 is being recovered
        assert await a.ask("1") == (503, "moving", "partition 1 is being recovered; ask again")


async def test_the_workers_are_shown_with_what_they_say_of_themselves() -> None:
    impostor = b'{"url": "%s"}'
    async with two() as (a, b):
        stranger = member("s", "", (), b"no worker")
        silent, misled = member("u", "ftp://u", ()), member("m", "", (), impostor % b.url.encode())
        introduce(a, b, others=(stranger, silent, misled))
        assert a.asker is not None
        shown = (await a.asker.ask("GET", "/api/v1/workers")).json

    assert (shown["state"], shown["num_partitions"]) == ("stable", 4)
    said = ("identity", "is_self", "is_reachable", "release")
    assert [tuple(each[name] for name in said) for each in shown["workers"]] == [
        ("a", True, True, "release of a"),
        ("b", False, True, "release of b"),
        ("m", False, False, None),
        ("u", False, False, None),
    ]
    assert [each["url"] for each in shown["workers"]] == [a.url, b.url, b.url, None]
    first, second = ((each["partitions"], each["standbys"]) for each in shown["workers"][:2])
    assert (first, second) == (([0, 1], [2, 3]), ([2, 3], [0, 1]))


async def test_an_owner_that_does_not_answer_is_named_with_what_to_do(unused_tcp_port: int) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    hangs = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    gone = f"http://127.0.0.1:{unused_tcp_port}"
    async with serving("a", (0,)) as a, serving("t", (1,), Door(OTHER)) as t:
        owners = {"1": ("t", t.url), "2": ("g", gone), "3": ("h", hangs), "4": ("n", "file:///x")}
        others = tuple(member(name, url, (int(user),)) for user, (name, url) in owners.items())
        said = {}
        for user in owners:
            introduce(a, others=others)
            said[user] = await a.ask(user)
        introduce(a, others=others)
        answers = await a.peers.ask_all("/api/v1/worker", ShownSelf)
    server.close()

    remedy = "if it is gone, another worker takes over once its session has expired"
    expected = {
        "1": f"t at {t.url}, which refuses to answer: without tokens, workers answer each other on a loopback address "
             "alone; set REFRAIN_READ_TOKEN",
        "2": f"g at {gone}, which cannot be reached (Connection refused); {remedy}",
        "3": f"h at {hangs}, which does not answer within 1 s; {remedy}",
        "4": "n, which tells no address; set its REFRAIN_ADVERTISED_URL",
    }  # fmt: skip
    assert said == {
        user: (503, "elsewhere", f"partition {user} belongs to worker {what}") for user, what in expected.items()
    }
    assert answers == {}


async def test_workers_with_different_tokens_say_what_is_wrong() -> None:
    async with serving("a", (0,), Door(TOKEN)) as a, serving("b", (1,), Door(OTHER)) as b:
        introduce(a, b)

        status, code, said = await a.ask("1", {"Authorization": f"Bearer {TOKEN}"})

    assert (status, code) == (503, "elsewhere")
    assert said.endswith("which refuses to answer: set the same tokens on all workers")


async def test_a_stream_is_passed_on_event_by_event_and_says_when_its_worker_has_gone() -> None:
    async with two() as (a, b):
        assert a.asker is not None
        async with a.asker.session.post(f"{a.url}/follow", json={"user_id": "3"}) as response:
            assert (response.status, response.content_type) == (200, EVENTS)
            assert await response.content.readuntil(b"\n\n") == event("listener", 1)
            await b.following.wait()
            b.peers.streams.close()
            last = await response.read()

        async with a.asker.session.post(f"{a.url}/follow", json={"user_id": "2"}) as refused:
            status, again = refused.status, await refused.json()

    assert last == event(
        "moving", {"code": "moving", "message": "the worker that followed this listener has gone; ask again"}
    )
    assert (status, again["error"]["code"]) == (503, "moving")


async def test_a_stream_ends_at_its_worker_when_the_reader_leaves() -> None:
    async with two() as (a, b):
        assert a.asker is not None
        async with a.asker.session.post(f"{a.url}/follow", json={"user_id": "3"}) as response:
            await response.content.readuntil(b"\n\n")
        await until(b.ended.is_set, "the owner no longer follows")


@pytest.mark.parametrize("looked_in", ["", "x", "3", "0,1,2,3,99999999999999999999"])
async def test_whatever_the_headers_between_workers_say_a_question_is_not_passed_on_twice(looked_in: str) -> None:
    async with two() as (a, b):
        answer = await a.ask("3", {"Refrain-Forwarded": "1", "Refrain-Looked-In": looked_in})

    assert not b.asked
    assert answer == {"unknown_to": "a"} or answer[:2] == (503, "elsewhere")
