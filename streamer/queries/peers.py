"""Peers: a question about a listener who lives on another worker is passed on to that one, once.

It is asked with this worker's own token, which need not let anybody act, and with two headers: `Refrain-Forwarded`, by
which a worker passes nothing on, and `Refrain-Looked-In`, the partitions in which the listener is known not to be. A
listener may live in two places as long as nobody has said which partitioner the producers use; then the first owner
says that the other one knows.
"""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from streamer.errors import ElsewhereError, QueryError
from streamer.faust.members import Peer
from streamer.queries.calls import Called, Calls, Stream, UnreachedError
from streamer.queries.events import Streams, event
from streamer.queries.owners import Owners
from streamer.queries.problems import HEADERS
from streamer.queries.routes import FORWARDED, JSON, LOOKED_IN, Asked, Route
from streamer.wire.views_access import Failure, Problem
from streamer.wire.views_members import Said

#: Seconds that another worker has to say how it is, for which somebody waits each second.
_STATUS_LIMIT_S: Final = 1.0

#: Partitioners, each of which may have put a listener into another partition.
_MAX_HOMES: Final = 2

_REFUSED: Final = (web.HTTPUnauthorized.status_code, web.HTTPForbidden.status_code)
_NO_TOKENS: Final = "without tokens, workers answer each other on a loopback address alone; set REFRAIN_READ_TOKEN"
_GONE: Final = Problem("moving", "the worker that followed this listener has gone; ask again")
_LAST_WORDS: Final = (b"event: moving", b"event: error")
_Said = TypeVar("_Said", bound=Said)
_FAILURE: Final = msgspec.json.Decoder(Failure)


@dataclass(frozen=True, slots=True)
class Peers:
    """Asks the other workers.

    Attributes:
        owners: say which worker answers which partition.
        calls: are made to them.
        streams: that are open here.
        member_id: the name of this worker in the group.
        token: lets this worker read at the others; empty: there are no tokens.
        answer_limit_s: seconds that another worker has to answer a question.
    """

    owners: Owners
    calls: Calls
    streams: Streams
    member_id: Callable[[], str]
    token: str
    answer_limit_s: float = 5.0

    def forwarding(self, routes: Sequence[Route]) -> list[Route]:
        """Return routes that pass a question on where the listener is elsewhere."""
        return [dataclasses.replace(route, answer=self._answer(route)) for route in routes]

    async def ask_all(self, path: str, answers: type[_Said]) -> dict[Peer, _Said]:
        """Ask all other workers at once; return what those say that answer within a second.

        At the address of a worker another one may answer, such as this one: that is no answer of the worker.

        Args:
            path: of a question by GET, which any worker answers of itself.
            answers: what the answer is decoded to.

        Raises:
            KafkaUnavailableError: Kafka does not say who they are.
        """
        peers = [peer for peer in (await self.owners.look()).peers if peer.url and peer.member_id != self.member_id()]
        said = await asyncio.gather(*(self._ask_self(peer, path, answers) for peer in peers))
        return {peer: answer for peer, answer in zip(peers, said, strict=True) if answer is not None}

    async def close(self) -> None:
        """Disconnect."""
        await self.calls.close()
        await self.owners.close()

    def _answer(self, route: Route) -> Callable[[Asked[Any]], Any]:
        async def answer(asked: Asked[Any]) -> object:
            try:
                return await route.answer(asked)
            except ElsewhereError as exc:
                if asked.is_forwarded:
                    raise
                return await self._forward(route, asked, exc)

        return answer

    async def _forward(self, route: Route, asked: Asked[Any], error: ElsewhereError) -> web.StreamResponse:
        """Pass a question on to the owner of a partition; where that one names another partition, to its owner."""
        partition, looked_in = error.partition, set(error.looked_in)
        for _ in range(_MAX_HOMES):
            peer = await self._owner(partition)
            called = await self._ask(peer, partition, route, asked, looked_in)
            if called.stream:
                return await self._relay(asked.request, called.stream)
            problem = _problem(called)
            if problem is None or problem.code != "elsewhere" or problem.partition is None:
                return _passed_on(called, problem)
            if problem.partition in {partition, *looked_in}:
                break
            looked_in.add(partition)
            partition = problem.partition
        self.owners.forget()
        raise QueryError("moving", f"partition {partition} has just moved; ask again")

    async def _owner(self, partition: int) -> Peer:
        """Return the worker that answers a partition, and is another one.

        Raises:
            QueryError: nobody answers it yet, or nobody knows where.
        """
        ownership = await self.owners.look()
        peer = ownership.owner(partition)
        if ownership.is_moving or peer is None:
            raise QueryError("moving", f"partition {partition} is being handed over; ask again")
        if peer.member_id == self.member_id():
            raise QueryError("moving", f"partition {partition} is being recovered; ask again")
        if not peer.url:
            raise QueryError(
                "elsewhere",
                f"{_named_owner(partition, peer)}, which tells no address; set its REFRAIN_ADVERTISED_URL",
            )
        return peer

    async def _ask(
        self, peer: Peer, partition: int, route: Route, asked: Asked[Any], looked_in: Collection[int]
    ) -> Called:
        headers = {FORWARDED: "1", LOOKED_IN: ",".join(map(str, sorted(looked_in)))}
        headers |= self._authorization()
        try:
            called = await self.calls.ask(
                route.method, f"{peer.url}{route.path}", headers, asked.body, limit_s=self.answer_limit_s
            )
        except UnreachedError as exc:
            self.owners.forget()
            raise QueryError(
                "elsewhere",
                f"{_named_owner(partition, peer)}, which {exc}; if it is gone, another worker takes over once its "
                "session has expired",
            ) from exc
        if called.status in _REFUSED:
            remedy = "set the same tokens on all workers" if self.token else _NO_TOKENS
            raise QueryError("elsewhere", f"{_named_owner(partition, peer)}, which refuses to answer: {remedy}")
        return called

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def _ask_self(self, peer: Peer, path: str, answers: type[_Said]) -> _Said | None:
        try:
            called = await self.calls.ask("GET", peer.url + path, self._authorization(), limit_s=_STATUS_LIMIT_S)
            if called.status != web.HTTPOk.status_code:
                return None
            said = msgspec.json.decode(called.body, type=answers)
        except (UnreachedError, msgspec.MsgspecError):
            return None
        return said if said.member_id == peer.member_id else None

    async def _relay(self, request: web.Request, stream: Stream) -> web.StreamResponse:
        try:
            return await self.streams.answer(request, _until_lost(stream))
        finally:
            stream.close()


async def _until_lost(stream: Stream) -> AsyncGenerator[bytes, None]:
    """Yield the events of another worker; if it leaves without a word, say so."""
    last = b""
    async for last in stream.events():
        yield last
    if not last.startswith(_LAST_WORDS):
        yield event("moving", _GONE)


def _problem(called: Called) -> Problem | None:
    if called.status == web.HTTPOk.status_code:
        return None
    try:
        return _FAILURE.decode(called.body).error
    except msgspec.MsgspecError:
        return None


def _passed_on(called: Called, problem: Problem | None) -> web.Response:
    headers = {"Cache-Control": "no-store", **(HEADERS.get(problem.code, {}) if problem else {})}
    return web.Response(body=called.body, status=called.status, content_type=JSON, headers=headers)


def _named_owner(partition: int, peer: Peer) -> str:
    at = f" at {peer.url}" if peer.url else ""
    return f"partition {partition} belongs to worker {peer.identity}{at}"
