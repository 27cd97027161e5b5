"""The server of the questions: from a request to a handler of the table of routes, and back."""

import asyncio
import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from streamer.errors import QueryError, RefrainError
from streamer.metrics.queries import QueryMetrics
from streamer.queries.assets import Assets
from streamer.queries.door import Door
from streamer.queries.events import Streams
from streamer.queries.problems import HEADERS, STATUSES, problem_of, unforeseen
from streamer.queries.routes import EVENTS, JSON, Asked, Right, Route
from streamer.runtime.web import MAX_BODY_BYTES
from streamer.wire.views_access import Failure, Problem

#: Seconds that a body has to arrive.
_MAX_READ_S: Final = 10.0

_SEE: Final = "; see /api/v1/openapi.json"

#: What a backslash of JSON begins: a surrogate pair, one half of one, or something else.
_ESCAPES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][\da-fA-F]{2})|.)", re.DOTALL
)

#: The page runs its own scripts alone, and no other site may frame, read or embed what a worker answers.
_SECURE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Queries:
    """Answers questions over HTTP.

    Attributes:
        routes: the table.
        door: lets requests in.
        streams: the open event streams.
        assets: the page.
        metrics: count questions.
        is_settled: whether the worker has its partitions.
    """

    routes: Sequence[Route]
    door: Door
    streams: Streams
    assets: Assets
    metrics: QueryMetrics
    is_settled: Callable[[], bool]

    def extend(self, app: web.Application) -> None:
        """Add the routes of questions and page to a web server."""
        app.on_response_prepare.append(_secure)
        by_path: dict[str, list[Route]] = {}
        for route in self.routes:
            by_path.setdefault(route.path, []).append(route)
        for path, routes in by_path.items():
            for route in routes:
                for method in route.methods:
                    app.router.add_route(method, path, functools.partial(self._handle, route))
            methods = tuple(method for route in routes for method in route.methods)
            app.router.add_route("*", path, functools.partial(self._refuse_method, methods))
        app.router.add_route("*", "/api/{rest:.*}", self._refuse)
        app.router.add_get("/", self.assets.index)
        app.router.add_get("/assets/{name}", self.assets.asset)

    def close(self) -> None:
        """End the event streams, which would hold up the end of the web server."""
        self.streams.close()

    async def _handle(self, route: Route, request: web.Request) -> web.StreamResponse:
        began_s, status = time.perf_counter(), 499  # of who leaves before the answer, as nginx counts them
        try:
            response = await self._try(route, request)
            status = response.status
        finally:
            self.metrics.count(route.path, status, None if route.media == EVENTS else time.perf_counter() - began_s)
        return response

    async def _try(self, route: Route, request: web.Request) -> web.StreamResponse:
        try:
            self.door.check(request, route.right)
            answer = await _call(route, await _read(route, request))
        except RefrainError as exc:
            return _refusal(problem_of(exc, is_settled=self.is_settled()))
        except Exception as exc:  # noqa: BLE001  whatever it is, whoever asked is told that there is no answer
            return _refusal(unforeseen(exc, route.path))
        if isinstance(answer, web.StreamResponse):
            return answer
        return _json(answer)

    async def _refuse_method(self, methods: Sequence[str], request: web.Request) -> web.Response:
        message = f"this is not asked by {request.method}; ask it by {' or '.join(methods)}"
        return self._refuse_all(Problem("method_not_allowed", message), {"Allow": ", ".join(methods)})

    async def _refuse(self, _: web.Request) -> web.Response:
        return self._refuse_all(Problem("not_found", "there is no such question; /api/v1/openapi.json lists all"))

    def _refuse_all(self, problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
        self.metrics.count("other", STATUSES[problem.code], None)
        return _refusal(problem, headers)


async def _call(route: Route, asked: Asked[msgspec.Struct]) -> object:
    """Call a handler; what changes something goes on if whoever asked leaves."""
    return await (asyncio.shield(route.answer(asked)) if route.right is Right.ACT else route.answer(asked))


async def _read(route: Route, request: web.Request) -> Asked[msgspec.Struct]:
    """Read a question.

    Raises:
        QueryError: it is none.
    """
    try:
        if route.method == "GET":
            return Asked(msgspec.convert(_parameters(request), route.question, strict=False), request)
        if request.content_type != JSON:
            raise QueryError("bad_request", f"the body must be {JSON}; send it with that Content-Type")
        body = await _body(request)
        return Asked(_decode(body, route.question), request, body)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise QueryError("bad_request", f"{exc}{_SEE}") from exc


def _parameters(request: web.Request) -> dict[str, str]:
    """Return the query and the variables of the path.

    Raises:
        QueryError: one is given twice.
    """
    given = [*request.query.items(), *request.match_info.items()]
    parameters = dict(given)
    if len(parameters) < len(given):
        names = [name for name, _ in given]
        twice = next(name for name in names if names.count(name) > 1)
        raise QueryError("bad_request", f"`{twice}` is given more than once; give it once{_SEE}")
    return parameters


def _decode(body: bytes, question: type[msgspec.Struct]) -> msgspec.Struct:
    """Decode a body, and say in words what msgspec calls truncated.

    Raises:
        QueryError: it is empty, or not Unicode.
        MsgspecError: it is not the question.
    """
    if not body.strip():
        raise QueryError("bad_request", f"the body is empty; send an object of JSON, `{{}}` at least{_SEE}")
    try:
        return msgspec.json.decode(body, type=question)
    except UnicodeDecodeError as exc:
        raise QueryError("bad_request", f"the body is not valid Unicode; send it as UTF-8{_SEE}") from exc
    except msgspec.DecodeError as exc:
        if any(each["lone"] for each in _ESCAPES.finditer(body)):
            raise QueryError(
                "bad_request", f"the body is not valid Unicode: half of a surrogate pair is without the other{_SEE}"
            ) from exc
        raise


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_MAX_READ_S):
            return await request.read()
    except TimeoutError as exc:
        raise QueryError("bad_request", f"the body did not arrive within {_MAX_READ_S:.0f} s") from exc
    except web.RequestPayloadError as exc:
        raise QueryError("bad_request", "the body is not what its Content-Encoding says, or was cut off") from exc
    except web.HTTPRequestEntityTooLarge as exc:
        raise QueryError("too_large", f"the body is larger than {MAX_BODY_BYTES} bytes; ask for less at once") from exc


def _json(answer: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode(answer)
    return web.Response(
        body=body, status=status, headers={"Cache-Control": "no-store", **(headers or {})}, content_type=JSON
    )


def _refusal(problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json(Failure(problem), STATUSES[problem.code], headers or HEADERS.get(problem.code))


async def _secure(_: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers.update(_SECURE)
