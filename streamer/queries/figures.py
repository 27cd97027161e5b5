"""Questions about figures: what the workers did in the latest second, and in each of the last ten minutes."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, Protocol, TypeVar

import msgspec

from streamer.errors import KafkaUnavailableError, QueryError
from streamer.faust.members import Peer
from streamer.queries.figure_views import figures, history, read_figures, read_history
from streamer.queries.routes import Asked, Right, Route
from streamer.queries.sampling import Sampling
from streamer.queries.seconds import Seconds, add_up, together
from streamer.wire.views_figures import Figures, FiguresHistory, FiguresQuestion

_Said = TypeVar("_Said", bound=msgspec.Struct)

NOW: Final = "/api/v1/figures"
PAST: Final = f"{NOW}/history"


class Others(Protocol):
    """Who knows the other workers."""

    async def ask_all(self, path: str, answers: type[_Said]) -> Mapping[Peer, _Said]:
        """Ask all other workers at once; return what those say that answer in time."""

    async def identity(self) -> str:
        """Return the identity of this worker; empty while it is in no group."""


def figure_routes(sampling: Sampling, others: Others) -> list[Route]:
    """Return the routes of questions about figures."""

    async def now(asked: Asked[FiguresQuestion]) -> Figures:
        if not len(latest := sampling.ring.latest()):
            raise QueryError("moving", "the worker has just started: its first second is not over, ask again")
        if not asked.question.all:
            return figures(latest)
        return figures(together([latest, *map(read_figures, (await ask_figures(others)).values())]))

    async def past(asked: Asked[FiguresQuestion]) -> FiguresHistory:
        seconds = sampling.ring.seconds()
        if not asked.question.all:
            return history(seconds)
        said = await _ask(others, PAST, FiguresHistory)
        return await asyncio.to_thread(_add_up, seconds, said.values()) if said else history(seconds)

    return [
        Route("GET", NOW, Right.READ, "What the stream did in the latest second.", now,
              question=FiguresQuestion, answers=Figures),
        Route("GET", PAST, Right.READ, "What it did in each second of the last ten minutes.", past,
              question=FiguresQuestion, answers=FiguresHistory),
    ]  # fmt: skip


async def ask_figures(others: Others) -> dict[str, Figures]:
    """Return the latest second of each other worker that can be reached, by its identity."""
    return {peer.identity: each for peer, each in (await _ask(others, NOW, Figures)).items()}


async def _ask(others: Others, path: str, answers: type[_Said]) -> Mapping[Peer, _Said]:
    try:
        return await others.ask_all(f"{path}?all=0", answers)
    except KafkaUnavailableError:  # nobody says who they are
        return {}


def _add_up(here: Seconds, others: Collection[FiguresHistory]) -> FiguresHistory:
    return history(add_up([here, *map(read_history, others)]))
