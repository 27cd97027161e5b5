"""Questions about the workers: who answers which partition, where, and what each of them says of itself.

Whoever follows what changes in the stream has all workers looked at each second. So one question to each is all that a
look asks, and what a worker says of itself has all that a look is for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from streamer.faust.members import Peer
from streamer.queries.peers import Peers
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views_access import Nothing
from streamer.wire.views_workers import ShownSelf, ShownWorker, ShownWorkers

SELF: Final = "/api/v1/worker"

#: The identity of a worker that is in no group yet, or does not know its own.
NAMELESS: Final = "this worker"


@dataclass(frozen=True, slots=True)
class Roster:
    """What a look at all workers shows.

    Attributes:
        workers: who answers which partition.
        said: what those say of themselves that can be reached, this one too, by identity.
    """

    workers: ShownWorkers
    said: Mapping[str, ShownSelf]


@dataclass(frozen=True, slots=True)
class Lookout:
    """Looks at all workers.

    Attributes:
        peers: the other workers.
        itself: returns what this one says of itself.
        num_partitions: of the plays.
    """

    peers: Peers
    itself: Callable[[], ShownSelf]
    num_partitions: int

    async def look(self) -> Roster:
        """Ask all others at once.

        Raises:
            KafkaUnavailableError: Kafka does not say who they are.
        """
        ownership, here = await self.peers.owners.look(), self.itself()
        answers = await self.peers.ask_all(SELF, ShownSelf)
        answers |= {peer: here for peer in ownership.peers if peer.member_id == here.member_id}
        said = {peer.identity: its for peer, its in answers.items()}
        shown = tuple(_show(peer, said.get(peer.identity), here) for peer in ownership.peers)
        if here not in said.values():
            said[NAMELESS] = here
        return Roster(ShownWorkers("moving" if ownership.is_moving else "stable", shown, self.num_partitions), said)


def _show(peer: Peer, its: ShownSelf | None, here: ShownSelf) -> ShownWorker:
    return ShownWorker(
        identity=peer.identity,
        url=peer.url or None,
        is_self=its is here,
        is_reachable=its is not None,
        partitions=peer.partitions,
        standbys=peer.standbys,
        release=its.release if its else None,
    )


def worker_routes(lookout: Lookout) -> list[Route]:
    """Return the routes of questions about the workers."""

    async def itself(_: Asked[Nothing]) -> ShownSelf:
        return lookout.itself()

    async def workers(_: Asked[Nothing]) -> ShownWorkers:
        return (await lookout.look()).workers

    return [
        Route("GET", SELF, Right.READ, "This worker, as the others ask for it.", itself, answers=ShownSelf),
        Route("GET", "/api/v1/workers", Right.READ, "Who answers which partition, and where.", workers,
              answers=ShownWorkers),
    ]  # fmt: skip
