"""The feed: what changes in the stream, told once a second to whoever follows it.

Each event is written once, however many follow. While nobody does, no other worker is asked, and nothing is written.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from streamer.errors import KafkaUnavailableError
from streamer.queries.events import Broadcast, Chunks, Streams, event
from streamer.queries.figures import merge
from streamer.queries.routes import EVENTS, Asked, Right, Route
from streamer.queries.sampling import Sampling
from streamer.queries.workers import NAMELESS, Lookout
from streamer.wire.views_access import Nothing
from streamer.wire.views_figures import FiguresEvent, ReleaseEvent
from streamer.wire.views_letters import LetterSummary
from streamer.wire.views_workers import ShownWorkers

#: Seconds that the others have; one of them that hangs takes one.
_OTHERS_S: Final = 1.5


class Feed:
    """Publishes events.

    Args:
        sampling: of this worker; each sample is told.
        lookout: looks at all workers.
        letters: those that were written here since the last call, oldest first.

    Attributes:
        sampling: the same.
    """

    def __init__(self, sampling: Sampling, lookout: Lookout, letters: Callable[[], Sequence[LetterSummary]]) -> None:
        self.sampling = sampling
        self._lookout = lookout
        self._letters = letters
        self._broadcast = Broadcast()
        self._told: dict[str, bytes] = {}

    @property
    def num_following(self) -> int:
        """How many follow."""
        return self._broadcast.num_listening

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self.sampling.wait()
            letters = self._letters()  # also if nobody hears of them: whoever comes reads the topic
            if self.num_following:
                news = await self._news()
                self._broadcast.publish(b"".join([*(event("letter", letter) for letter in letters), *news]))

    async def follow(self) -> Chunks:
        """Yield all that is known now, then what is new."""
        yield b"".join((await self._state()).values())
        self._told.clear()  # what changes before the reader listens is told to all once more
        async for chunk in self._broadcast.listen():
            yield chunk

    async def _news(self) -> list[bytes]:
        """Return the events that have not been told; they are from now on."""
        state = await self._state()
        news = [chunk for name, chunk in state.items() if self._told.get(name) != chunk]
        self._told |= state
        return news

    async def _state(self) -> dict[str, bytes]:
        """Return the latest event of each name; of this worker alone while Kafka does not say who the others are."""
        here = self._lookout.itself()
        state, said = {"release": event("release", ReleaseEvent(here.release))}, {NAMELESS: here}
        with contextlib.suppress(KafkaUnavailableError, TimeoutError):
            async with asyncio.timeout(_OTHERS_S):
                roster = await self._lookout.look()
            state["workers"], said = event("workers", roster.workers), dict(roster.said)
        if figures := {identity: its.figures for identity, its in said.items() if its.figures}:
            state["figures"] = event("figures", FiguresEvent(merge(figures.values()), figures))
        return state


def feed_routes(feed: Feed, streams: Streams) -> list[Route]:
    """Return the route of events."""

    async def follow(asked: Asked[Nothing]) -> object:
        return await streams.answer(asked.request, feed.follow())

    told = {"figures": FiguresEvent, "workers": ShownWorkers, "letter": LetterSummary, "release": ReleaseEvent}
    return [
        Route("GET", "/api/v1/events", Right.READ, "What changes in the stream, as it happens.", follow, media=EVENTS,
              events=told),
    ]  # fmt: skip
