"""Questions about the questions: what whoever asks may do, and what can be asked."""

from collections.abc import Sequence

from streamer.queries.door import Door
from streamer.queries.openapi import describe
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views_access import Access, Nothing


def access_routes(door: Door) -> list[Route]:
    """Return the route that says what whoever asks may do."""

    async def access(asked: Asked[Nothing]) -> Access:
        return door.describe(asked.request)

    return [Route("GET", "/api/v1/access", Right.NONE, "What may I do?", access, answers=Access)]


def openapi_routes(routes: Sequence[Route]) -> list[Route]:
    """Return the route that describes all, itself included."""

    async def openapi(_: Asked[Nothing]) -> object:
        return describe([*routes, itself])

    itself = Route("GET", "/api/v1/openapi.json", Right.NONE, "What can I ask?", openapi)
    return [itself]
