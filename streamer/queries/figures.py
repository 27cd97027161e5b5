"""Questions about figures: what this worker did in the latest second, and in each of the last ten minutes."""

from streamer.errors import QueryError
from streamer.queries.figure_views import figures, history
from streamer.queries.routes import Asked, Right, Route
from streamer.queries.sampling import Sampling
from streamer.wire.views_access import Nothing
from streamer.wire.views_figures import Figures, FiguresHistory


def figure_routes(sampling: Sampling) -> list[Route]:
    """Return the routes of questions about figures."""

    async def now(_: Asked[Nothing]) -> Figures:
        if not len(latest := sampling.ring.latest()):
            raise QueryError("moving", "the worker has just started: its first second is not over, ask again")
        return figures(latest)

    async def past(_: Asked[Nothing]) -> FiguresHistory:
        return history(sampling.ring.seconds())

    return [
        Route("GET", "/api/v1/figures", Right.READ, "What the stream did in the latest second.", now, answers=Figures),
        Route("GET", "/api/v1/figures/history", Right.READ, "What it did in each second of the last ten minutes.", past,
              answers=FiguresHistory),
    ]  # fmt: skip
