"""Questions about the workers: who answers which partition, where, and whether partitions move."""

from collections.abc import Callable

from streamer.queries.peers import Peers
from streamer.queries.routes import Asked, Right, Route
from streamer.wire.views_access import Nothing
from streamer.wire.views_workers import ShownSelf, ShownWorker, ShownWorkers

_SELF = "/api/v1/worker"


def worker_routes(peers: Peers, release: Callable[[], str | None], num_partitions: int) -> list[Route]:
    """Return the routes of questions about the workers.

    Args:
        peers: the other workers.
        release: that answers here.
        num_partitions: of the plays.
    """

    async def itself(_: Asked[Nothing]) -> ShownSelf:
        return ShownSelf(peers.member_id(), release())

    async def workers(_: Asked[Nothing]) -> ShownWorkers:
        return await show_workers(peers, release(), num_partitions)

    return [
        Route("GET", _SELF, Right.READ, "This worker, as the others ask for it.", itself, answers=ShownSelf),
        Route("GET", "/api/v1/workers", Right.READ, "Who answers which partition, and where.", workers,
              answers=ShownWorkers),
    ]  # fmt: skip


async def show_workers(peers: Peers, release: str | None, num_partitions: int) -> ShownWorkers:
    """Look at all workers.

    Args:
        peers: the other workers.
        release: that answers here.
        num_partitions: of the plays.

    Raises:
        KafkaUnavailableError: Kafka does not say who they are.
    """
    ownership = await peers.owners.look()
    said = await peers.ask_all(_SELF, ShownSelf)
    here = ShownSelf(peers.member_id(), release)
    shown = []
    for peer in ownership.peers:
        its = here if peer.member_id == here.member_id else said.get(peer)
        is_it = its is not None and its.member_id == peer.member_id  # and no other worker answers at its address
        shown.append(
            ShownWorker(
                identity=peer.identity, url=peer.url or None, is_self=its is here, is_reachable=is_it,
                partitions=peer.partitions, standbys=peer.standbys, release=its.release if its and is_it else None,
            )
        )  # fmt: skip
    return ShownWorkers("moving" if ownership.is_moving else "stable", tuple(shown), num_partitions)
