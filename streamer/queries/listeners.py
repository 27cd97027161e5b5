"""Questions about a listener: their state, their lists and the reasons for them, and what if."""

from collections.abc import Collection, Sequence
from typing import Protocol

from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views import ImaginedPlay, ListenerView, WhatIf
from streamer.wire.views_questions import ListenerQuestion, WhatIfQuestion


class Looking(Protocol):
    """Who knows the listeners."""

    async def look(self, user: str) -> ListenerView:
        """Return a listener's state, and both lists with the reasons for each track."""

    async def what_if(self, user: str, added: Sequence[ImaginedPlay], removed: Collection[int]) -> WhatIf:
        """Return both lists as they are, and as they would be with plays added and remembered ones removed."""


def listener_routes(looking: Looking) -> list[Route]:
    """Return the routes of questions about a listener."""

    async def look(asked: Asked[ListenerQuestion]) -> ListenerView:
        return await looking.look(asked.question.user_id)

    async def what_if(asked: Asked[WhatIfQuestion]) -> WhatIf:
        question = asked.question
        return await looking.what_if(question.user_id, question.added, question.removed)

    return [
        Route("POST", "/api/v1/listener", Right.READ, "A listener's state, both lists, and the reasons.", look,
              question=ListenerQuestion, answers=ListenerView),
        Route("POST", "/api/v1/listener/what-if", Right.READ, "Both lists as they are, and as they would be.", what_if,
              question=WhatIfQuestion, answers=WhatIf),
    ]  # fmt: skip
