"""The feed: what changes in the stream, told once a second to whoever follows it.

Each event is written once, however many follow. While nobody does, nothing is written.
"""

from collections.abc import Callable

from streamer.queries.events import Broadcast, Chunks, Streams, event
from streamer.queries.figure_views import figures
from streamer.queries.routes import EVENTS, Asked, Right, Route
from streamer.queries.sampling import Sampling
from streamer.wire.views_access import Nothing
from streamer.wire.views_figures import FiguresEvent, ReleaseEvent


class Feed:
    """Publishes events.

    Args:
        sampling: of this worker; each sample is told.
        identity: of this worker.
        release: the id of the one that answers; None before the first.

    Attributes:
        sampling: the same.
    """

    def __init__(self, sampling: Sampling, identity: str, release: Callable[[], str | None]) -> None:
        self.sampling = sampling
        self._identity = identity
        self._release = release
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
                self._broadcast.publish(b"".join(self._news()))

    async def follow(self) -> Chunks:
        """Yield all that is known now, then what is new."""
        yield b"".join(self._state().values())
        self._told.clear()  # what changes before the reader listens is told to all once more
        async for chunk in self._broadcast.listen():
            yield chunk

    def _state(self) -> dict[str, bytes]:
        """Return the latest event of each name."""
        state = {"release": event("release", ReleaseEvent(self._release()))}
        if len(latest := self.sampling.ring.latest()):
            here = figures(latest)
            state["figures"] = event("figures", FiguresEvent(merged=here, workers={self._identity: here}))
        return state

    def _news(self) -> list[bytes]:
        """Return the events that have not been told; they are from now on."""
        state = self._state()
        news = [chunk for name, chunk in state.items() if self._told.get(name) != chunk]
        self._told = state
        return news


def feed_routes(feed: Feed, streams: Streams) -> list[Route]:
    """Return the route of events."""

    async def follow(asked: Asked[Nothing]) -> object:
        return await streams.answer(asked.request, feed.follow())

    return [
        Route("GET", "/api/v1/events", Right.READ, "What changes in the stream, as it happens.", follow, media=EVENTS,
              events={"figures": FiguresEvent, "release": ReleaseEvent}),
    ]  # fmt: skip
