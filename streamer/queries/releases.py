"""Questions about releases: which there are and what they are worth, promoting one, and rolling back."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from streamer.errors import Code, RefrainError, ReleaseError, StoreError
from streamer.kafka.rights import Right as KafkaRight
from streamer.queries.errands import Act, Errands, explaining
from streamer.queries.release_views import show_overview
from streamer.queries.routes import Asked, Right, Route
from streamer.releases.alias import champions_after, find_moves
from streamer.releases.overview import look_over
from streamer.releases.promotion import Promoter, Promotion, UnknownReleaseError
from streamer.releases.registry import Registry
from streamer.runtime.threads import call_unjoined
from streamer.wire.views_access import Nothing
from streamer.wire.views_hits import LiveHits
from streamer.wire.views_releases import Promoted, PromotionQuestion, ReleasesView, RollbackQuestion

_CODES: Final[Mapping[type[RefrainError], Code]] = {
    UnknownReleaseError: "not_found",
    StoreError: "unavailable",
    ReleaseError: "conflict",
}

_Act: TypeAlias = Callable[[], Coroutine[Any, Any, Promotion]]

#: Releases that are listed; each takes two requests to the store.
_LISTED: Final = 50

#: A release may have gigabytes, of which every byte is verified.
_ACT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class ReleaseRights:
    """What each question about releases takes on Kafka."""

    look: Sequence[KafkaRight]
    promote: Sequence[KafkaRight]


@dataclass(frozen=True, slots=True)
class ReleaseQueries:
    """Answers questions about releases.

    Attributes:
        promoter: makes releases champion; its store answers within seconds, or fails.
        errands: run what is asked.
        rights: that it takes.
        live: says how the lists of each reign have fared at all workers, oldest first.
    """

    promoter: Promoter
    errands: Errands
    rights: ReleaseRights
    live: Callable[[], Awaitable[Sequence[LiveHits]]]

    async def list_newest(self, _: Asked[Nothing]) -> ReleasesView:
        """List the newest releases, and the latest refusals."""
        promoter, live = self.promoter, await self.live()

        async def look() -> ReleasesView:
            moves = await find_moves(promoter.connection, promoter.releases_topic)
            registry = Registry(promoter.store)
            overview = await call_unjoined(lambda: look_over(registry, champions_after(moves), _LISTED))
            return show_overview(overview, moves, live)

        return await self.errands.look(self.rights.look, lambda: explaining(_CODES, look()))

    async def promote(self, asked: Asked[PromotionQuestion]) -> Promoted:
        """Make a release champion, as the command does."""
        question = asked.question
        promote = self.promoter.force if question.force else self.promoter.promote

        async def run() -> Promotion:
            return await promote(question.release_id, instead_of=question.instead_of)

        return await self._act("promote-by-force" if question.force else "promote", question.release_id, asked, run)

    async def roll_back(self, asked: Asked[RollbackQuestion]) -> Promoted:
        """Restore the champion's predecessor, as the command does."""

        async def run() -> Promotion:
            return await self.promoter.roll_back(instead_of=asked.question.instead_of)

        return await self._act("rollback", asked.question.instead_of or "champion", asked, run)

    async def _act(self, what: str, of: str, asked: Asked[Any], run: _Act) -> Promoted:
        async def call() -> Promoted:
            promotion = await run()
            return Promoted(promotion.release.release_id, promotion.before, tuple(promotion.skipped))

        act = Act("releases", what, of, self.rights.promote, _ACT_S)
        return await self.errands.act(act, asked.request, lambda: explaining(_CODES, call()), _say)


def release_routes(queries: ReleaseQueries) -> list[Route]:
    """Return the routes of questions about releases."""
    of = "/api/v1/releases"
    return [
        Route("GET", of, Right.READ, "The releases, what the gate said of each, and when it answered.",
              queries.list_newest, answers=ReleasesView),
        Route("POST", f"{of}/promote", Right.ACT, "Verify every byte of a release, then make it champion.",
              queries.promote, question=PromotionQuestion, answers=Promoted),
        Route("POST", f"{of}/rollback", Right.ACT, "Restore the previous champion.",
              queries.roll_back, question=RollbackQuestion, answers=Promoted),
    ]  # fmt: skip


def _say(promoted: Promoted) -> str:
    return f"{promoted.champion} instead of {promoted.previous}"
