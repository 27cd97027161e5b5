"""Questions about figures: what the workers did in the latest second, and in each of the last ten minutes."""

import asyncio
from collections.abc import Collection
from typing import Final

import msgspec

from streamer.errors import KafkaUnavailableError, QueryError
from streamer.queries.figure_views import figures, history, read_figures, read_history
from streamer.queries.routes import Asked, Right, Route
from streamer.queries.sampling import Sampling
from streamer.queries.seconds import Seconds, add_up, together, without_partial_lag
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
            return merge([here], lookout.num_partitions)
        return merge([its.figures for its in said.values() if its.figures], lookout.num_partitions)

    async def past(asked: Asked[FiguresQuestion]) -> FiguresHistory:
        seconds = sampling.ring.seconds()
        member_id = lookout.peers.member_id()
        if not asked.question.all:
            return history(seconds, member_id)
        try:
            said = await lookout.peers.ask_all(f"{_PAST}?all=0", FiguresHistory)
        except KafkaUnavailableError:
            said = {}
        if said:
            seconds = await asyncio.to_thread(_add_up, seconds, said.values())
        return history(without_partial_lag(seconds, lookout.num_partitions), member_id)

    return [
        Route("GET", _NOW, Right.READ, "What the stream did in the latest second.", now,
              question=FiguresQuestion, answers=Figures),
        Route("GET", _PAST, Right.READ, "What it did in each second of the last ten minutes.", past,
              question=FiguresQuestion, answers=FiguresHistory),
    ]  # fmt: skip


def merge(of_workers: Collection[Figures], num_partitions: int) -> Figures:
    """Add up the latest second of each worker; of one alone, it is its own.

    Where they do not answer all partitions, the lag is not known.
    """
    merged = next(iter(of_workers)) if len(of_workers) == 1 else figures(together(list(map(read_figures, of_workers))))
    if merged.partitions >= num_partitions:
        return merged
    return msgspec.structs.replace(merged, lag_plays=None, lag_s=None)


def _add_up(here: Seconds, others: Collection[FiguresHistory]) -> Seconds:
    return add_up([here, *map(read_history, others)])
