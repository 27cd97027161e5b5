"""Questions about the map of taste: the picture of the catalogue, what its regions are called, a listener's path."""

from collections.abc import Collection
from typing import Final, Protocol

from aiohttp import web

from streamer.queries.routes import Asked, Right, Route
from streamer.wire.picture import MEDIA_TYPE
from streamer.wire.views_access import Nothing
from streamer.wire.views_map import MapRegion, TastePath
from streamer.wire.views_questions import ListenerQuestion

#: A browser may keep a map, and asks each time whether the release is still the same.
_KEEP: Final = "private, no-cache"


class Picture(Protocol):
    """A map, ready to be sent."""

    @property
    def release(self) -> str:
        """The id of its release."""

    @property
    def plain(self) -> bytes:
        """As it is."""

    @property
    def zipped(self) -> bytes:
        """By gzip."""


class Mapping(Protocol):
    """Who knows the map."""

    async def picture(self) -> Picture:
        """Return the picture of the release that answers."""

    async def regions(self) -> tuple[MapRegion, ...]:
        """Return the groups of the map."""


class Wandering(Protocol):
    """Who knows the listeners."""

    async def path(self, user: str, looked_in: Collection[int]) -> TastePath:
        """Return where a listener's taste was after each remembered play."""


def map_routes(mapping: Mapping) -> list[Route]:
    """Return the routes of questions about the map."""

    async def picture(asked: Asked[Nothing]) -> web.Response:
        return _send(asked.request, await mapping.picture())

    async def regions(_: Asked[Nothing]) -> tuple[MapRegion, ...]:
        return await mapping.regions()

    return [
        Route("GET", "/api/v1/map", Right.READ, "The places of the tracks, in a format of bytes.", picture,
              media=MEDIA_TYPE),
        Route("GET", "/api/v1/map/regions", Right.READ, "The regions of the map, and what they are called.", regions,
              answers=tuple[MapRegion, ...]),
    ]  # fmt: skip


def path_routes(wandering: Wandering) -> list[Route]:
    """Return the route of the path of a listener, which the worker knows on whom they live."""

    async def path(asked: Asked[ListenerQuestion]) -> TastePath:
        return await wandering.path(asked.question.user_id, asked.looked_in)

    return [
        Route("POST", "/api/v1/listener/path", Right.READ, "Where a listener's taste was on the map, play by play.",
              path, question=ListenerQuestion, answers=TastePath),
    ]  # fmt: skip


def _send(request: web.Request, picture: Picture) -> web.Response:
    etag = f'"{picture.release}"'
    headers = {"ETag": etag, "Cache-Control": _KEEP, "Vary": "Accept-Encoding"}
    known = {each.value for each in request.if_none_match or ()}
    if picture.release in known or "*" in known:
        return web.Response(status=304, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=picture.zipped, headers=headers, content_type=MEDIA_TYPE)
    return web.Response(body=picture.plain, headers=headers, content_type=MEDIA_TYPE)
