"""Questions about a listener: their state, their lists and the reasons for them, as they play, and what if."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec
from aiohttp import web

from streamer.errors import BusyError, ElsewhereError, QueryError
from streamer.queries.events import Chunks, Streams, event
from streamer.queries.routes import EVENTS, Asked, Right, Route
from streamer.wire.views import ImaginedPlay, ListenerView, WhatIf
from streamer.wire.views_access import Nothing, Problem
from streamer.wire.views_questions import FoundListener, ViewQuestion, WhatIfQuestion

#: Seconds between two looks at a listener who is followed.
LOOK_EVERY_S: Final = 0.5


class Following(Protocol):
    """Who follows a listener."""

    async def changed(self) -> ListenerView | msgspec.Raw | None:
        """Return the listener's view, or what JSON says of it; None if it is the one that was returned last."""


class Looking(Protocol):
    """Who knows the listeners."""

    async def look(self, user: str, looked_in: Collection[int], *, reasons: bool) -> ListenerView:
        """Return a listener's state, and both lists, with the reasons for each track or without."""

    async def what_if(
        self, user: str, added: Sequence[ImaginedPlay], removed: Collection[int], looked_in: Collection[int]
    ) -> WhatIf:
        """Return both lists as they are, and as they would be with plays added and remembered ones removed."""

    def anybody(self) -> str | None:
        """Return the id of somebody who played a moment ago; None if nobody did."""

    def follow(self, user: str, looked_in: Collection[int], *, reasons: bool) -> Following:
        """Follow a listener."""


def listener_routes(
    looking: Looking, streams: Streams, is_settled: Callable[[], bool], *, look_every_s: float = LOOK_EVERY_S
) -> list[Route]:
    """Return the routes of questions about a listener.

    Args:
        looking: who knows the listeners.
        streams: of events.
        is_settled: whether the worker has its partitions; while it has not, a listener who is not here is moving.
        look_every_s: seconds between two looks at a listener who is followed.
    """

    async def look(asked: Asked[ViewQuestion]) -> ListenerView:
        question = asked.question
        return await looking.look(question.user_id, asked.looked_in, reasons=question.reasons)

    async def what_if(asked: Asked[WhatIfQuestion]) -> WhatIf:
        question = asked.question
        return await looking.what_if(question.user_id, question.added, question.removed, asked.looked_in)

    async def anybody(_: Asked[Nothing]) -> FoundListener:
        if (user := looking.anybody()) is None:
            raise QueryError(
                "not_found", "nobody has played here since the worker started; ask again, or another worker"
            )
        return FoundListener(user)

    async def follow(asked: Asked[ViewQuestion]) -> web.StreamResponse:
        question = asked.question
        following = looking.follow(question.user_id, asked.looked_in, reasons=question.reasons)
        return await streams.answer(asked.request, _views(following, is_settled, look_every_s))

    return [
        Route("POST", "/api/v1/listener", Right.READ, "A listener's state, both lists, and the reasons.", look,
              question=ViewQuestion, answers=ListenerView),
        Route("POST", "/api/v1/listener/anybody", Right.READ, "Somebody who played a moment ago on this worker.",
              anybody, answers=FoundListener),
        Route("POST", "/api/v1/listener/follow", Right.READ, "A listener at once, and after each of their plays.",
              follow, question=ViewQuestion, media=EVENTS,
              events={"listener": ListenerView, "moving": Problem, "error": Problem}),
        Route("POST", "/api/v1/listener/what-if", Right.READ, "Both lists as they are, and as they would be.", what_if,
              question=WhatIfQuestion, answers=WhatIf),
    ]  # fmt: skip


async def _views(following: Following, is_settled: Callable[[], bool], look_every_s: float) -> Chunks:
    """Yield a listener's view whenever it changes, and `moving` when their partition is being handed over.

    Raises:
        BusyError: there is no first view, because too many questions wait; a later one is looked at again.
        ElsewhereError: the listener lives on another worker, or is moving before there was a view.
    """
    is_shown = is_moving = False
    while True:
        try:
            if view := await following.changed():
                yield event("listener", view)
            is_shown, is_moving = True, False
        except BusyError:
            if not is_shown:
                raise
        except ElsewhereError as exc:
            if not is_shown or is_settled():
                raise
            if not is_moving:
                yield event("moving", Problem("moving", str(exc)))
            is_moving = True
        await asyncio.sleep(look_every_s)
