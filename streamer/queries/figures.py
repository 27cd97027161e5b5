"""Questions about figures: what the workers did in the latest second, and in each of the last ten minutes."""

import asyncio
from collections.abc import Collection
from typing import Final

from streamer.errors import KafkaUnavailableError, QueryError
from streamer.queries.figure_views import figures, history, read_figures, read_history
from streamer.queries.routes import Asked, Right, Route
from streamer.queries.sampling import Sampling
from streamer.queries.seconds import Seconds, add_up, together
from streamer.queries.workers import Lookout
from streamer.wire.views_figures import Figures, FiguresHistory, FiguresQuestion

_NOW: Final = "/api/v1/figures"
_PAST: Final = f"{_NOW}/history"


def figure_routes(sampling: Sampling, lookout: Lookout) -> list[Route]:
    """Return the routes of questions about figures."""

    async def now(asked: Asked[FiguresQuestion]) -> Figures:
        if (here := lookout.itself().figures) is None:
            raise QueryError("moving", "the worker has just started: its first second is not over, ask again")
        if not asked.question.all:
            return here
        try:
            said = (await lookout.look()).said
        except KafkaUnavailableError:  # nobody says who the others are
            return here
        return merge([its.figures for its in said.values() if its.figures])

    async def past(asked: Asked[FiguresQuestion]) -> FiguresHistory:
        seconds = sampling.ring.seconds()
        member_id = lookout.peers.member_id()
        if not asked.question.all:
            return history(seconds, member_id)
        try:
            said = await lookout.peers.ask_all(f"{_PAST}?all=0", FiguresHistory)
        except KafkaUnavailableError:
            return history(seconds, member_id)
        if said:
            seconds = await asyncio.to_thread(_add_up, seconds, said.values())
        return history(seconds, member_id)

    return [
        Route("GET", _NOW, Right.READ, "What the stream did in the latest second.", now,
              question=FiguresQuestion, answers=Figures),
        Route("GET", _PAST, Right.READ, "What it did in each second of the last ten minutes.", past,
              question=FiguresQuestion, answers=FiguresHistory),
    ]  # fmt: skip


def merge(of_workers: Collection[Figures]) -> Figures:
    """Add up the latest second of each worker; of one alone, it is its own."""
    if len(of_workers) == 1:
        return next(iter(of_workers))
    return figures(together(list(map(read_figures, of_workers))))


def _add_up(here: Seconds, others: Collection[FiguresHistory]) -> Seconds:
    return add_up([here, *map(read_history, others)])
