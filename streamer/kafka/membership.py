"""Membership in the consumer group, when Kafka refuses it.

aiokafka keeps such an error for whoever fetches next and stops coordinating until then. A worker fetches only what it
was assigned, so nobody would ever hear of it. Only this file may replace how aiokafka's coordinator reports errors.

Other members that share partitions out in another way make Kafka refuse a worker: a console consumer or a tool that was
started with the group's name. A restart would not drive them away, and a worker that ended would not be there when they
leave, so it waits, unready, and joins when they are gone. Every other refusal ends the process.
"""

import asyncio
import logging
from typing import Final, NoReturn

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
)

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.runtime.crash import crash, refuse

logger = logging.getLogger(__name__)

_RETRY_S: Final = 2.0
_LOOK_LIMIT_S: Final = 5.0


class Membership:
    """A worker's place in its group; read in one thread, and kept in that of the consumer.

    Args:
        connection: to Kafka.
        group_id: the group.
        session_timeout_s: what the worker asks for.
    """

    def __init__(self, connection: Connection, group_id: str, session_timeout_s: float) -> None:
        self._connection = connection
        self._group_id = group_id
        self._session_timeout_s = session_timeout_s
        self._is_taken = False

    @property
    def is_taken(self) -> bool:
        """Whether others hold the group in a way that keeps this worker out."""
        return self._is_taken

    def complaint(self) -> str:
        """Say that others hold the group; empty if they do not."""
        return f"the consumer group {self._group_id} is taken by others" if self._is_taken else ""

    def install(self, consumer: AIOKafkaConsumer) -> None:
        """Hear every error of a started consumer's coordinator from now on."""
        coordinator = consumer._coordinator  # noqa: SLF001  has no public hook for its errors

        async def hear(error: Exception) -> None:
            if not isinstance(error, InconsistentGroupProtocolError):
                self.end(error)
            await self._note_taken()
            await asyncio.wait([coordinator._closing], timeout=_RETRY_S)  # noqa: SLF001  or until it is closed

        coordinator._push_error_to_user = hear  # noqa: SLF001

    def note_joined(self) -> None:
        """Note that this worker is a member."""
        if self._is_taken:
            self._is_taken = False
            logger.warning("group free: the consumer group %s is free again; joined", self._group_id)

    def end(self, error: Exception) -> NoReturn:
        """End the process because of an error of the coordinator."""
        if (remedy := self._remedy(error)) is not None:
            refuse(ContractError(remedy))
        crash(f"the consumer cannot take part in the group {self._group_id}; see the cause", error)

    def _remedy(self, error: Exception) -> str | None:
        """Say what an operator does about an error that no restart mends; None if one may."""
        if isinstance(error, InvalidSessionTimeoutError):
            return (
                f"REFRAIN_SESSION_TIMEOUT_S={self._session_timeout_s:g} is outside what the brokers allow: set it "
                "between their group.min.session.timeout.ms (by default 6 s) and group.max.session.timeout.ms (30 min)"
            )
        if isinstance(error, InvalidGroupIdError):
            return f"Kafka accepts no consumer group {self._group_id!r}: choose another REFRAIN_APP_ID"
        if isinstance(error, GroupAuthorizationFailedError):
            return f"this worker may not read as the consumer group {self._group_id}: allow it READ on that group"
        return None

    async def _note_taken(self) -> None:
        if self._is_taken:
            return
        self._is_taken = True
        logger.error(
            "group taken: the consumer group %s is taken by %s, which share partitions out in another way: stop them, "
            "or give them another group; this worker waits and joins when they are gone",
            self._group_id, await self._others(),
        )  # fmt: skip

    async def _others(self) -> str:
        """Name the members of the group, as far as they can be found out."""
        try:
            async with asyncio.timeout(_LOOK_LIMIT_S), KafkaAdmin(self._connection) as admin:
                return ", ".join(await admin.find_members(self._group_id)) or "others"
        except (KafkaError, ContractError, OSError):
            return "others"
