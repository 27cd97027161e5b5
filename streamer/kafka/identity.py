"""One process per static identity: if two claim the same one, the older exits.

Only this file may read the responses of Kafka's group coordinator, because aiokafka 0.14 misinterprets them. An
identity belongs to the process that joined with it last, and Kafka would fence the other. But aiokafka's heartbeats
carry no identity, so the other gets "unknown member", rejoins and becomes the last itself: the two would take the
partitions from each other at every heartbeat, forever.
"""

import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import RebalanceInProgressError, UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streamer.runtime.crash import crash

_IS_KNOWN = (0, RebalanceInProgressError.errno)


class IdentityWatch:
    """Ends the process when another process has joined with its identity.

    A member that Kafka no longer knows was replaced, unless Kafka may have received nothing from it for a whole session
    timeout: then its session expired and it rejoins as usual.

    Args:
        identity: the static identity of the group's member.
        session_timeout_s: the group's session timeout.
        clock: returns seconds.
    """

    def __init__(self, identity: str, session_timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._session_timeout_s = session_timeout_s
        self._clock = clock
        self._known_s = -float("inf")

    def install(self, consumer: AIOKafkaConsumer) -> None:
        """Inspect every response that a started consumer's coordinator gets from now on."""
        coordinator = consumer._coordinator  # noqa: SLF001  no public hook reports the response to a heartbeat
        send = coordinator._send_req  # noqa: SLF001

        async def send_and_look(request: object) -> Any:
            sent_s = self._clock()
            response = await send(request)
            self.look(request, response, sent_s)
            return response

        coordinator._send_req = send_and_look  # noqa: SLF001

    def look(self, request: object, response: Any, sent_s: float) -> None:
        """Inspect the response to a request that was sent at `sent_s` of the clock."""
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) and response.error_code in _IS_KNOWN:
            self._known_s = sent_s
            return
        is_unknown = UnknownMemberIdError.errno in _errors(request, response)
        if is_unknown and self._clock() - self._known_s < self._session_timeout_s:
            crash(f"another process has joined as {self._identity}; give each its own identity (REFRAIN_INSTANCE_ID)")


def _errors(request: object, response: Any) -> set[int]:
    """Return the errors in the response to a heartbeat or a commit, the requests that a member keeps sending."""
    if isinstance(request, HeartbeatRequest):
        return {response.error_code}
    if not isinstance(request, OffsetCommitRequest):
        return set()
    if request._consumer_group_generation_id < 0:  # noqa: SLF001  while rejoining, a member commits without an id
        return set()
    return {error for _, partitions in response.topics for _, error in partitions}
