"""One process per static identity: of two that claim the same, the older ends.

Only this file may look at what Kafka's coordinator answers, because aiokafka 0.14 hears it wrong. An identity belongs
to whoever joined with it last, and Kafka would tell the other that it is fenced. But the other's heartbeats name no
identity, so that it hears of an unknown member, joins anew and is the last itself, and the two take the partitions from
each other at each heartbeat, for ever.
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
    """Ends the process when somebody else has joined with its identity.

    A member that Kafka no longer knows was replaced, unless Kafka may have heard nothing of it for as long as a session
    lasts: then it joins anew, as ever.

    Args:
        identity: static, of the group's member.
        session_timeout_s: of the group.
        clock: seconds.
    """

    def __init__(self, identity: str, session_timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._session_timeout_s = session_timeout_s
        self._clock = clock
        self._known_s = -float("inf")

    def install(self, consumer: AIOKafkaConsumer) -> None:
        """Look at all that a started consumer is answered from now on."""
        coordinator = consumer._coordinator  # noqa: SLF001  nobody is told what a heartbeat was answered
        send = coordinator._send_req  # noqa: SLF001

        async def send_and_look(request: object) -> Any:
            asked_s = self._clock()
            response = await send(request)
            self.look(request, response, asked_s)
            return response

        coordinator._send_req = send_and_look  # noqa: SLF001

    def look(self, request: object, response: Any, asked_s: float) -> None:
        """Look at the answer to a request that was sent at a time of the clock."""
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) and response.error_code in _IS_KNOWN:
            self._known_s = asked_s
            return
        is_unknown = UnknownMemberIdError.errno in _errors(request, response)
        if is_unknown and self._clock() - self._known_s < self._session_timeout_s:
            crash(f"another process has joined as {self._identity}; let no two have one identity (REFRAIN_INSTANCE_ID)")


def _errors(request: object, response: Any) -> set[int]:
    """Return the errors of what a member keeps asking for."""
    if isinstance(request, HeartbeatRequest):
        return {response.error_code}
    if not isinstance(request, OffsetCommitRequest):
        return set()
    if request._consumer_group_generation_id < 0:  # noqa: SLF001  it joins anew, and commits under no name what it had done
        return set()
    return {error for _, partitions in response.topics for _, error in partitions}
