"""The feed: what changes in the stream, told once a second to whoever follows it.

Each event is written once, however many follow. While nobody does, no other worker is asked, and nothing is written.
"""

import asyncio
import contextlib
from typing import Final

from streamer.errors import KafkaUnavailableError
from streamer.queries.events import Broadcast, Chunks, Streams, event
from streamer.queries.figures import merge
from streamer.queries.new_letters import NewLetters
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

    Attributes:
        sampling: the same.
    """

    def __init__(self, sampling: Sampling, lookout: Lookout) -> None:
        self.sampling = sampling
        self._lookout = lookout
        self._letters = NewLetters()
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
            if self.num_following:
                self._broadcast.publish(b"".join(await self._news()))

    async def follow(self) -> Chunks:
        """Yield all that is known now, then what is new."""
        known, letters = await self._look()
        if not self.num_following:
            self._letters.pick(letters)  # they are not new: whoever comes reads the topic
        yield b"".join(known.values())
        self._told.clear()  # what changes before the reader listens is told to all once more
        async for chunk in self._broadcast.listen():
            yield chunk

    async def _news(self) -> list[bytes]:
        """Return the events that have not been told; they are from now on."""
        known, letters = await self._look()
        news = [event("letter", letter) for letter in self._letters.pick(letters)]
        news += [chunk for name, chunk in known.items() if self._told.get(name) != chunk]
        self._told |= known
        return news

    async def _look(self) -> tuple[dict[str, bytes], list[LetterSummary]]:
        """Return the latest event of each name, and the letters that workers name.

        While Kafka does not say who the others are, they are of this worker alone.
        """
        here = self._lookout.itself()
        known, said = {"release": event("release", ReleaseEvent(here.release))}, {NAMELESS: here}
        with contextlib.suppress(KafkaUnavailableError, TimeoutError):
            async with asyncio.timeout(_OTHERS_S):
                roster = await self._lookout.look()
            known["workers"], said = event("workers", roster.workers), dict(roster.said)
        if figures := {identity: its.figures for identity, its in said.items() if its.figures}:
            merged = merge(figures.values(), self._lookout.num_partitions)
            known["figures"] = event("figures", FiguresEvent(merged, figures))
        return known, [letter for its in said.values() for letter in its.letters]


def feed_routes(feed: Feed, streams: Streams) -> list[Route]:
    """Return the route of events."""

    async def follow(asked: Asked[Nothing]) -> object:
        return await streams.answer(asked.request, feed.follow())

    told = {"figures": FiguresEvent, "workers": ShownWorkers, "letter": LetterSummary, "release": ReleaseEvent}
    return [
        Route("GET", "/api/v1/events", Right.READ, "What changes in the stream, as it happens.", follow, media=EVENTS,
              events=told),
    ]  # fmt: skip
