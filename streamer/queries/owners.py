"""Owners: which worker answers which partition, as the coordinator of their group says.

It is asked only while somebody wants to know, at most once a second, on a connection of its own that is closed when
nobody has asked for a while. A group that moves does not say who owned what; then its last answer before that holds.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import KafkaError

from streamer.errors import ContractError, KafkaUnavailableError
from streamer.faust.members import Peer, read_peer
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.kafka.groups import Group

_FRESH_S: Final = 1.0
_ANSWER_LIMIT_S: Final = 4.0
_IDLE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who answers what.

    Attributes:
        is_moving: whether partitions are being shared out.
        peers: the workers by identity, this one among them; if the group moves, as they were before.
    """

    is_moving: bool
    peers: tuple[Peer, ...]

    def owner(self, partition: int) -> Peer | None:
        """Return the worker that answers a partition."""
        return next((peer for peer in self.peers if partition in peer.partitions), None)


class Owners:
    """Asks the coordinator of a group.

    Args:
        connection: to Kafka.
        group_id: the group of the workers.
        plays_topic: whose partitions are owned.
        changelog_topic: whose partitions are owned, or kept as replicas.
        clock: seconds.
        idle_s: seconds without a look after which the connection is closed.
    """

    def __init__(
        self,
        connection: Connection,
        group_id: str,
        plays_topic: str,
        changelog_topic: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        idle_s: float = _IDLE_S,
    ) -> None:
        self._connection, self._group_id, self._clock, self._idle_s = connection, group_id, clock, idle_s
        self._topics = plays_topic, changelog_topic
        self._asking = asyncio.Lock()
        self._known, self._asked_s = Ownership(is_moving=True, peers=()), -float("inf")
        self._failure = ""
        self._admin: KafkaAdmin | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def look(self) -> Ownership:
        """Return what is known, and is a second old at most.

        Raises:
            KafkaUnavailableError: Kafka does not say.
        """
        async with self._asking:
            if self._clock() - self._asked_s >= _FRESH_S:
                await self._learn()
            if self._failure:
                raise KafkaUnavailableError(self._failure)
            return self._known

    def note(self, group: Group) -> None:
        """Note what the coordinator says now."""
        self._asked_s, self._failure = self._clock(), ""
        if group.is_moving:
            self._known = Ownership(is_moving=True, peers=self._known.peers)
            return
        peers = [peer for member in group.members if (peer := read_peer(member, *self._topics))]
        self._known = Ownership(is_moving=False, peers=tuple(sorted(peers, key=lambda peer: peer.identity)))

    def forget(self) -> None:
        """Ask again at the next look: what is known turned out to be wrong."""
        self._asked_s = -float("inf")

    async def close(self) -> None:
        """Disconnect from Kafka."""
        if self._idle:
            self._idle.cancel()
        admin, self._admin = self._admin, None
        if admin:
            await admin.__aexit__()

    async def _learn(self) -> None:
        """Ask; what comes of it holds for all who wait, also that Kafka does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                self._admin = self._admin or await KafkaAdmin(self._connection).__aenter__()
                self.note(await self._admin.describe_group(self._group_id))
        except (KafkaError, ContractError, OSError) as exc:  # a TimeoutError is an OSError
            await self.close()
            cause = str(exc) or type(exc).__name__
            self._asked_s = self._clock()
            self._failure = f"Kafka does not say who owns which partition: {cause}; ask again"
        else:
            self._close_when_idle()

    def _close_when_idle(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._start_closing)

    def _start_closing(self) -> None:
        self._closing = asyncio.ensure_future(self._close_idle())

    async def _close_idle(self) -> None:
        async with self._asking:
            await self.close()
