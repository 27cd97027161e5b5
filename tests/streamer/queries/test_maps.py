from collections.abc import Collection, Mapping
from types import SimpleNamespace

import pytest

from streamer.errors import QueryError
from streamer.queries.maps import Picture, map_routes, path_routes
from streamer.wire.views_map import MapRegion, TasteOfHorizon, TastePath
from tests.asking import asking

PATH = "/api/v1/map"


class Wall:
    """Holds a map of one release, or none."""

    def __init__(self, release: str | None) -> None:
        self.release = release

    async def picture(self) -> Picture:
        if self.release is None:
            raise QueryError("no_map", "release r1 has no map")
        return SimpleNamespace(release=self.release, plain=b"plain", zipped=b"zipped")

    async def regions(self) -> tuple[MapRegion, ...]:
        return (MapRegion(3, 0.5, -0.5, None, 7),)


class Guide:
    """Knows one listener."""

    async def path(self, user: str, looked_in: Collection[int]) -> TastePath:
        assert not looked_in
        return TastePath(user, "r1", is_rebuilt=False, plays=(1,), horizons=(TasteOfHorizon("short-term", ((0, 1),)),))


@pytest.mark.parametrize(
    ("headers", "status", "body", "encoding"),
    [
        ({"Accept-Encoding": "identity"}, 200, b"plain", None),
        ({"Accept-Encoding": "br, gzip"}, 200, b"zipped", "gzip"),
        ({"Accept-Encoding": "identity", "If-None-Match": '"r0"'}, 200, b"plain", None),
        ({"If-None-Match": '"r0", W/"r1"'}, 304, b"", None),
        ({"If-None-Match": "*"}, 304, b"", None),
    ],
)
async def test_a_map_is_sent_once_per_release(
    headers: Mapping[str, str], status: int, body: bytes, encoding: str | None
) -> None:
    async with (
        asking(map_routes(Wall("r1"))) as asker,
        asker.session.get(asker.url + PATH, headers=headers, auto_decompress=False) as answer,
    ):
        assert (answer.status, await answer.read()) == (status, body)
        assert answer.headers["ETag"] == '"r1"'
        assert answer.headers.get("Content-Encoding") == encoding
        assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("private, no-cache", "Accept-Encoding")
        assert status == 304 or answer.content_type == "application/vnd.refrain.map"


async def test_regions_and_paths_are_json_and_a_missing_map_says_so() -> None:
    async with asking([*map_routes(Wall(None)), *path_routes(Guide())]) as asker:
        missing = await asker.ask("GET", PATH)
        regions = await asker.ask("GET", f"{PATH}/regions")
        path = await asker.ask("POST", "/api/v1/listener/path", json={"user_id": "u"})

    assert (missing.status, missing.code) == (404, "no_map")
    assert regions.json == [{"group": 3, "x": 0.5, "y": -0.5, "label": None, "tracks": 7}]
    assert path.json["horizons"] == [{"horizon": "short-term", "points": [[0.0, 1.0]]}]
