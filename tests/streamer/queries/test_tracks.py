from collections.abc import Sequence

import pytest

from streamer.queries.tracks import track_routes
from streamer.wire.views_tracks import MAX_TRACKS, TrackView
from tests.asking import asking


class Shelf:
    """Three tracks."""

    async def by_rows(self, rows: Sequence[int]) -> tuple[TrackView, ...]:
        return await self.by_ids([("a", "b", "c")[row] for row in rows])

    async def by_ids(self, track_ids: Sequence[str]) -> tuple[TrackView, ...]:
        return tuple(TrackView(ord(each) - ord("a"), each, is_withdrawn=False) for each in track_ids)

    async def search(self, text: str, limit: int) -> tuple[TrackView, ...]:
        return (await self.by_ids(["a", "b", "c"]))[:limit] if text == "?" else ()


async def test_tracks_come_in_the_order_asked_for() -> None:
    async with asking(track_routes(Shelf())) as asker:
        for question, expected in (({"rows": [2, 0]}, "ca"), ({"track_ids": ["b", "a"]}, "ba"), ({}, "")):
            answer = await asker.ask("POST", "/api/v1/tracks", json=question)
            assert "".join(track["track_id"] for track in answer.json) == expected
        found = await asker.ask("POST", "/api/v1/tracks/search", json={"text": "?", "limit": 2})

    assert [track["track_id"] for track in found.json] == ["a", "b"]
    assert found.json[0]["title"] is None


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("", {"rows": [3]}), ("", {"rows": [-1]}), ("", {"rows": [0], "track_ids": ["a"]}),
        ("", {"track_ids": ["a"] * (MAX_TRACKS + 1)}), ("/search", {"text": ""}),
        ("/search", {"text": "a", "limit": 21}),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_of_tracks_is_refused(path: str, question: dict[str, object]) -> None:
    async with asking(track_routes(Shelf())) as asker:
        answer = await asker.ask("POST", f"/api/v1/tracks{path}", json=question)

    assert (answer.status, answer.code) == (400, "bad_request")
