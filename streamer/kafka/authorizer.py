"""What Kafka's authorizer grants us.

A broker says which operations it allows us on a topic and on a group, in versions of its protocol that aiokafka does
not ask for. Of a transactional id it only says whether we may see it; whoever may write it may.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.admin import DescribeConfigsRequest_v1, DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest_v1
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from streamer.kafka.rights import CODES, Resource, Right

#: Opens a connection to another broker.
Connect: TypeAlias = Callable[[str, int], Awaitable[AIOKafkaConnection]]

_TOPIC: Final = 2  # Kafka's number of topics among the resources
_GROUP, _TRANSACTION = 0, 1  # Kafka's numbers of what a coordinator is for
_NOT_SAID: Final = -(1 << 31)  # by brokers that do not know the question
_NOT_YET: Final = (
    GroupCoordinatorNotAvailableError.errno, GroupLoadInProgressError.errno, NotCoordinatorForGroupError.errno,
)  # fmt: skip
_TRIES, _PAUSE_S = 50, 0.2  # a new cluster first creates the topic of the groups


async def find_missing(broker: AIOKafkaConnection, connect: Connect, rights: Sequence[Right]) -> list[Right]:
    """Return the rights that we do not have; on a topic that does not exist, none are missing."""
    missing = await _missing_on_topics(broker, _of(rights, "topic"))
    for right in _of(rights, "group"):
        missing += await _missing_on_group(connect, broker, right)
    for right in _of(rights, "transactional id"):
        name = f"{right.name}0" if right.is_prefix else right.name
        coordinator = await _find_coordinator(broker, name, _TRANSACTION)
        if coordinator.error_code == TransactionalIdAuthorizationFailed.errno:
            missing.append(right)
    return missing


def _of(rights: Sequence[Right], resource: Resource) -> list[Right]:
    return [right for right in rights if right.resource == resource]


async def _missing_on_topics(broker: AIOKafkaConnection, rights: Sequence[Right]) -> list[Right]:
    names = sorted({right.name for right in rights})
    response = await broker.send(Exactly(_MetadataRequest(names, False, False, True)))
    refusal = TopicAuthorizationFailedError.errno
    allowed = {name: _allowed(code, operations, refusal) for code, name, *_, operations in response.topics}
    hidden = [name for code, name, *_ in response.topics if code == refusal]
    allowed |= {name: [CODES["DescribeConfigs"]] for name in await _with_readable_configs(broker, hidden)}
    return [right for right in rights if CODES[right.operation] not in allowed[right.name]]


async def _with_readable_configs(broker: AIOKafkaConnection, names: Sequence[str]) -> list[str]:
    """Return the topics of which we may read the configuration, among those that we may not see."""
    if not names:
        return []
    response = await broker.send(Exactly(DescribeConfigsRequest_v1([(_TOPIC, name, []) for name in names], False)))
    return [name for code, _, _, name, _ in response.resources if code != TopicAuthorizationFailedError.errno]


async def _missing_on_group(connect: Connect, broker: AIOKafkaConnection, right: Right) -> list[Right]:
    for _ in range(_TRIES):
        coordinator = await _find_coordinator(broker, right.name, _GROUP)
        if coordinator.error_code == GroupAuthorizationFailedError.errno:
            return [right]
        if not coordinator.error_code:
            ((code, *_, operations),) = await _describe_group(connect, coordinator, right.name)
            if code not in _NOT_YET:
                allowed = _allowed(code, operations, GroupAuthorizationFailedError.errno)
                return [] if CODES[right.operation] in allowed else [right]
        await asyncio.sleep(_PAUSE_S)
    return []  # whoever needs it first will say


async def _describe_group(connect: Connect, coordinator: Any, name: str) -> Any:
    broker = await connect(coordinator.host, coordinator.port)
    try:
        return (await broker.send(Exactly(_DescribeGroupsRequest([name], True)))).groups
    finally:
        await broker.close()


async def _find_coordinator(broker: AIOKafkaConnection, name: str, kind: int) -> Any:
    return await broker.send(Exactly(FindCoordinatorRequest_v1(name, kind)))


def _allowed(code: int, operations: int, refusal: int) -> Collection[int]:
    """Return the numbers of the operations that an answer allows."""
    if code == refusal:
        return ()
    return range(32) if code or operations == _NOT_SAID else [bit for bit in range(32) if operations >> bit & 1]


# -- the protocol, in the versions with authorized operations


@dataclass(frozen=True, slots=True)
class Exactly:
    """A request of one version; every Kafka since 2.3 knows those of this file."""

    request: RequestStruct

    def prepare(self, _: object) -> RequestStruct:
        """Return the request, as aiokafka asks its own for the version to send."""
        return self.request


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        ("topics", Array(
            ("error_code", Int16), ("topic", String()), ("is_internal", Boolean),
            ("partitions", Array(
                ("error_code", Int16), ("partition", Int32), ("leader", Int32), ("leader_epoch", Int32),
                ("replicas", Array(Int32)), ("isr", Array(Int32)), ("offline_replicas", Array(Int32)),
            )),
            ("authorized_operations", Int32),
        )),
        ("authorized_operations", Int32),
    )  # fmt: skip


class _MetadataRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String())), ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean), ("include_topic_authorized_operations", Boolean),
    )  # fmt: skip


class _DescribeGroupsRequest(RequestStruct):  # type: ignore[misc]
    """aiokafka's own reads the response of another version."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = DescribeGroupsRequest_v3.SCHEMA
