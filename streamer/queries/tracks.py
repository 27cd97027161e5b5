"""Questions about tracks: what they are called, and which ones have a name or an id like this."""

from collections.abc import Sequence
from typing import Protocol

from streamer.errors import QueryError
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views_tracks import TrackQuestion, TrackSearch, TrackView


class Finding(Protocol):
    """Who knows the tracks."""

    async def by_rows(self, rows: Sequence[int]) -> tuple[TrackView, ...]:
        """Look up tracks by their rows in the release's catalogue; IndexError if one is not in it."""

    async def by_ids(self, track_ids: Sequence[str]) -> tuple[TrackView, ...]:
        """Look up tracks by their ids."""

    async def search(self, text: str, limit: int) -> tuple[TrackView, ...]:
        """Find tracks by a part of their id or the beginnings of words."""


def track_routes(finding: Finding) -> list[Route]:
    """Return the routes of questions about tracks."""

    async def tracks(asked: Asked[TrackQuestion]) -> tuple[TrackView, ...]:
        question = asked.question
        if question.rows and question.track_ids:
            raise QueryError("bad_request", "rows and track_ids were given; give one of them")
        try:
            return await (finding.by_rows(question.rows) if question.rows else finding.by_ids(question.track_ids))
        except IndexError as exc:
            raise QueryError("bad_request", str(exc)) from exc

    async def search(asked: Asked[TrackSearch]) -> tuple[TrackView, ...]:
        return await finding.search(asked.question.text, asked.question.limit)

    return [
        Route("POST", "/api/v1/tracks", Right.READ, "Tracks by rows or ids, in the order asked for.", tracks,
              question=TrackQuestion, answers=tuple[TrackView, ...]),
        Route("POST", "/api/v1/tracks/search", Right.READ, "Tracks by a part of their id, or by beginnings of words.",
              search, question=TrackSearch, answers=tuple[TrackView, ...]),
    ]  # fmt: skip
