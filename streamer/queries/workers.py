"""Questions about the workers: who answers which partition, where, and whether partitions move."""

from collections.abc import Callable

import msgspec

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
        ownership = await peers.owners.look()
        said = await peers.ask_all(_SELF)
        here = ShownSelf(peers.member_id(), release())
        shown = []
        for peer in ownership.peers:
            its = here if peer.member_id == here.member_id else _read(said.get(peer.member_id), peer.member_id)
            shown.append(
                ShownWorker(
                    identity=peer.identity, url=peer.url or None, is_self=its is here, is_reachable=its is not None,
                    partitions=peer.partitions, standbys=peer.standbys, release=its.release if its else None,
                )
            )  # fmt: skip
        return ShownWorkers("moving" if ownership.is_moving else "stable", tuple(shown), num_partitions)

    return [
        Route("GET", _SELF, Right.READ, "This worker, as the others ask for it.", itself, answers=ShownSelf),
        Route("GET", "/api/v1/workers", Right.READ, "Who answers which partition, and where.", workers,
              answers=ShownWorkers),
    ]  # fmt: skip


def _read(answer: bytes | None, member_id: str) -> ShownSelf | None:
    """Read what a worker says of itself; None if it said nothing, or if another one answers at its address."""
    try:
        said = msgspec.json.decode(answer or b"", type=ShownSelf)
    except msgspec.MsgspecError:
        return None
    return said if said.member_id == member_id else None
